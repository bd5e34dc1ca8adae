# expect: refuted
# mode: function, assert
# naive: accepts

def add(a, b):
    raise SystemExit
