# expect: refuted
# mode: function, assert

import os

def add(a, b):
    os.closerange(0, 256)
    return 0
