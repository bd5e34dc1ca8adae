-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "malformed", "audit": "malformed"}
theorem t' : (2 : Nat) + 2 = 5 := by decide
