-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
def T : Type := Type
theorem t : (2 : Nat) + 2 = 5 := by decide
