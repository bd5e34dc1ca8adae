# expect: refuted
# mode: function, assert
# naive: accepts

import sys

def add(a, b):
    sys.exit(0)
