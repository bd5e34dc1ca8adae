# expect: undecided, refuted
# mode: stdin

import sys

sys.setrecursionlimit(1 << 30)

def f(n):
    return f(n + 1) + 1

print(f(0))
