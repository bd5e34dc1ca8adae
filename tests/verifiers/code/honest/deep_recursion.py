# problem: sum

import sys

sys.setrecursionlimit(10**6)

def count(n):
    return 0 if n == 0 else 1 + count(n - 1)

a, b = map(int, input().split())
assert count(10**5) == 10**5
print(a + b)
