# expect: refuted
# mode: stdin

import os

fd = os.open('/proc/self/fd/0', os.O_RDWR)
os.ftruncate(fd, 0)
os.write(fd, b'0 7')
print(7)
