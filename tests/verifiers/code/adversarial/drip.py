# expect: refuted, undecided
# mode: function, assert

import os, struct, time

def add(a, b):
    while True:
        for fd in range(3, 16):
            try:
                os.write(fd, b'\x10')
            except OSError:
                pass
        time.sleep(0.2)
