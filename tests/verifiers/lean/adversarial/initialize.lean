-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
initialize flag : IO.Ref Bool ← IO.mkRef true
theorem t : (2 : Nat) + 2 = 5 := by decide
