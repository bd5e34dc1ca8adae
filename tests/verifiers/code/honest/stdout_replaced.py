# problem: sum

import io, os, sys

out = io.StringIO()
sys.stdout = out
a, b = map(int, input().split())
print(a + b)
os.write(1, out.getvalue().encode())
