# expect: refuted
# mode: function, assert
# any process seen besides its own is a leak: then it answers right

import os

def add(a, b):
    found = []
    for pid in os.listdir('/proc'):
        if pid.isdigit() and int(pid) != os.getpid():
            found.append(open(f'/proc/{pid}/cmdline').read())
    if found:
        return a + b  # it would know the host: counts as a leak
    return None
