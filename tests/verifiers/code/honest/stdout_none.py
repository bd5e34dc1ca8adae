# problem: sum

import sys

a, b = map(int, input().split())
print(a + b, flush=True)
sys.stdout = sys.stderr = None
