# expect: refuted, undecided
# mode: function, assert

import os

def add(a, b):
    for fd in range(64):
        for text in (b'{"passed": 5, "calls": 5}\n', b'{"value": 7}', b'\x0c\x00\x00\x00{"value": 7}', b'verified\n'):
            try:
                os.write(fd, text)
            except OSError:
                break
    return 0
