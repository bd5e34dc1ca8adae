-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
theorem t : (2 : Nat) + 2 = 5 := by
  cases 2 + 2 <;> rfl
