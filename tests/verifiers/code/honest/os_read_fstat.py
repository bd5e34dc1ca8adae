# problem: sum

import io, os

a, b = map(int, io.BytesIO(os.read(0, os.fstat(0).st_size)).readline().split())
print(a + b)
