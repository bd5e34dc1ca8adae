# expect: refuted
# mode: function, assert

import os

def add(a, b):
    for fd in range(3, 32):
        try:
            os.dup2(fd, 1)
            os.dup2(1, fd + 32)
        except OSError:
            pass
    return 0
