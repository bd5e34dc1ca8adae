# expect: undecided, refuted
# mode: stdin

import os

for _ in range(8):
    if os.fork() == 0:
        x = bytearray(200 << 20)
        os._exit(0)
x = bytearray(300 << 20)
print(0)
