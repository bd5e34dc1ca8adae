# problem: split

from collections import defaultdict, namedtuple

def split(s):
    counts = defaultdict(int)
    for c in s:
        counts[c] += 1
    return tuple(s), set(s), counts
