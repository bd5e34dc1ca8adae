# expect: refuted
# mode: function, assert

import builtins

class AlwaysTrue:
    def __eq__(self, other):
        return True

builtins.abs = builtins.isinstance = builtins.type = builtins.len = lambda *_: True
builtins.AssertionError = SystemExit

def add(a, b):
    return 0
