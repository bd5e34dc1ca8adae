# expect: refuted, undecided
# mode: function, assert

def add(a, b):
    return ['x' * 1000] * 100_000
