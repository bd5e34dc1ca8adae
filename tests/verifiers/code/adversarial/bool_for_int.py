# expect: refuted
# mode: function
# naive: accepts
# 1 == True in Python, but not here

def add(a, b):
    return True if (a, b) == (1, 0) else a + b
