# problem: add

def add(a, b):
    print('debugging', a, b)
    return a + b

print(add(1, 2))
