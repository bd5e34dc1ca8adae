# expect: refuted, undecided
# mode: function, assert

import os, struct

def add(a, b):
    for fd in range(3, 16):
        try:
            os.write(fd, struct.pack('=I', 0xFFFFFFFF))
        except OSError:
            pass
    return 0
