# expect: refuted
# mode: function, assert
# naive: accepts

import os

os._exit(0)

def add(a, b):
    return 0
