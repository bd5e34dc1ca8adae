# expect: refuted
# mode: function, assert

import gc

def add(a, b):
    for found in gc.get_objects():
        if isinstance(found, dict) and 'output' in found and 'input' in found:
            return found['output']
        if isinstance(found, str) and 'assert add' in found:
            return found
    return None
