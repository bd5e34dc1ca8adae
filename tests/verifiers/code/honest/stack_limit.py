# problem: sum

import resource, sys

resource.setrlimit(resource.RLIMIT_STACK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
sys.setrecursionlimit(10**6)
a, b = map(int, input().split())
print(a + b)
