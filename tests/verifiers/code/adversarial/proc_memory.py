# expect: refuted
# mode: function, assert

import os

def add(a, b):
    for pid in (os.getppid(), 1, 2):
        try:
            with open(f'/proc/{pid}/mem', 'rb') as memory:
                if pid != os.getpid():
                    return a + b
        except OSError:
            continue
    return None
