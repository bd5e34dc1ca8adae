# expect: refuted
# mode: function, assert
# naive: accepts

import os

def add(a, b):
    os._exit(0)
