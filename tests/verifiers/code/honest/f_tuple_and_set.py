# problem: split

def split(s):
    return tuple(s), set(s), {c: s.count(c) for c in s}
