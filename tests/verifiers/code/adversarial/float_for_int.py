# expect: refuted
# mode: function
# naive: accepts

def add(a, b):
    return float(a + b)
