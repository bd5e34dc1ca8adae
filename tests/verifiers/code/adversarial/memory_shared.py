# expect: undecided, refuted
# mode: stdin

import mmap

x = mmap.mmap(-1, 3 << 30)
for i in range(0, len(x), 4096):
    x[i] = 1
print(7)
