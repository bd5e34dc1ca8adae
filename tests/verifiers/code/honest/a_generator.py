# problem: assert

def add(a, b):
    return a + b

def evens(n):
    for i in range(0, n, 2):
        yield i
