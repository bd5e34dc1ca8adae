-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
set_option debug.byAsSorry true in
theorem t : (2 : Nat) + 2 = 5 := by decide
