# expect: refuted
# mode: function, assert

def add(a, b):
    return {'$range': [0, 10**18, 1], '$list_node': [1]}
