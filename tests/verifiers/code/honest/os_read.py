# problem: sum

import os

a, b = map(int, os.read(0, 1 << 20).split())
print(a + b)
