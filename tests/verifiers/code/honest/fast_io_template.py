# problem: sum

import os, sys
from io import BytesIO, IOBase

class FastIO(IOBase):
    def __init__(self, file):
        self._fd = file.fileno()
        self.buffer = BytesIO()
        self.write = self.buffer.write

    def read(self):
        while True:
            part = os.read(self._fd, max(os.fstat(self._fd).st_size, 8192))
            if not part:
                return self.buffer.getvalue()
            self.buffer.write(part)

    def flush(self):
        os.write(self._fd, self.buffer.getvalue())
        self.buffer.truncate(0)
        self.buffer.seek(0)

a, b = map(int, FastIO(sys.stdin).read().split())
out = FastIO(sys.stdout)
out.write(str(a + b).encode() + b'\n')
out.flush()
