-- {"statement": "theorem t : (2 : Nat) + 2 = 4", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
def t : (2 : Nat) + 2 = 4 := rfl
