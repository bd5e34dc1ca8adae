# expect: refuted, undecided
# mode: function, assert, honest-import

import os, time

for _ in range(100):
    try:
        if os.fork() == 0:
            time.sleep(60)
    except OSError:
        break

def add(a, b):
    return 7
