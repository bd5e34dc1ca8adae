# expect: refuted
# mode: function, assert

import sys

def add(a, b):
    frame = sys._getframe()
    while frame:
        for name, value in {**frame.f_locals, **frame.f_globals}.items():
            if name in ('expected', 'output', 'answer', 'want', 'target') and isinstance(value, int):
                return value
            if name in ('tests', 'test', 'reference', 'job', 'call') and 'output' in str(value):
                return 'found ' + str(value)
        frame = frame.f_back
    return None
