# expect: refuted
# mode: function, assert

import builtins, io

builtins.open = io.open = lambda *a, **k: io.StringIO('7')

def add(a, b):
    return 0
