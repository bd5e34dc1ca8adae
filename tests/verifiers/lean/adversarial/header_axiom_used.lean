-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "axiom magic : (2 : Nat) + 2 = 5", "policy": "verified", "audit": "verified"}
theorem t : (2 : Nat) + 2 = 5 := magic
