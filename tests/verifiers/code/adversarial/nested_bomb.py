# expect: refuted, undecided
# mode: function, assert
# naive: accepts

import os, struct

def add(a, b):
    body = b'[' * 500_000
    for fd in range(3, 16):
        try:
            os.write(fd, struct.pack('=I', len(body)) + body)
        except OSError:
            pass
    os._exit(0)
