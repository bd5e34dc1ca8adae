# problem: lines

import sys

a = int(input())
b = int(sys.stdin.readline())
print(a + b)
