# problem: add

def add(a, b, seen=[]):
    seen.append(a)
    return sum(seen) + b
