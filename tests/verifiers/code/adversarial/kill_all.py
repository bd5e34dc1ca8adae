# expect: refuted
# mode: stdin

import os, signal

for target in (-1, 0, os.getppid(), 1, 2):
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(target, number)
        except OSError:
            pass
print(0)
