# problem: add

import sys

def add(a, b):
    try:
        sys.exit(1)
    except SystemExit:
        return a + b
