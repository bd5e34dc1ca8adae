# expect: refuted
# mode: function, assert
# naive: accepts

import atexit, os

atexit.register(lambda: os._exit(0))

def add(a, b):
    return 0
