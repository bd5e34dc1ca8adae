# expect: refuted
# mode: assert

def check(candidate):
    pass

def add(a, b):
    return 0
