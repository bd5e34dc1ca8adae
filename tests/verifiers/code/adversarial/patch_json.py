# expect: refuted
# mode: function, assert

import json

json.dumps = lambda *a, **k: '{"value": 7}'
json.loads = lambda *a, **k: 7

def add(a, b):
    return 0
