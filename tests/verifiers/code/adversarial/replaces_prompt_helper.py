# expect: refuted
# mode: assert-helper
# the tests decode what the prompt's own helper has encoded

def encode(s):
    return s

def decode(s):
    return s
