# expect: refuted
# mode: function, assert

import sys

sys.modules['__main__'].__dict__.update(check=lambda *a: None, expected=7)

def add(a, b):
    return 0
