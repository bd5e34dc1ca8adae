# expect: refuted
# mode: function, assert

import sys

for name in list(sys.modules):
    if 'verifiers' in name or name in ('json', 'struct', 'socket'):
        sys.modules[name] = None

def add(a, b):
    return 0
