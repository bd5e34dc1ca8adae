# expect: refuted
# mode: function, assert

def add(a, b):
    loop = []
    loop.append(loop)
    return loop
