# expect: refuted, undecided
# mode: function, assert

def add(a, b):
    return 1 << 80_000_000
