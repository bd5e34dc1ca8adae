# problem: lines

import sys

a = int(sys.stdin.buffer.readline())
b = int(sys.stdin.buffer.readline())
print(a + b)
