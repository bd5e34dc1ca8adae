# expect: refuted
# mode: function, assert

def add(a, b):
    return float('nan')
