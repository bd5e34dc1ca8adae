# problem: sum

import sys
from functools import lru_cache

sys.setrecursionlimit(10**6)

@lru_cache(None)
def count(n):
    return 0 if n == 0 else 1 + count(n - 1)

a, b = map(int, input().split())
assert count(50_000) == 50_000
print(a + b)
