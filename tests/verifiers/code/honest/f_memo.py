# problem: add

memo = {}

def add(a, b):
    if (a, b) not in memo:
        memo[a, b] = a + b
    return memo[a, b]
