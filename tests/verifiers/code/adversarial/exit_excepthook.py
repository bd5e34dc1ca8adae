# expect: refuted
# mode: function, assert
# naive: accepts

import os, sys

sys.excepthook = lambda *_: os._exit(0)

def add(a, b):
    return 0
