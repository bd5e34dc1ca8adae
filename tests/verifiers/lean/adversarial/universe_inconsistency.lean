-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
inductive Bad : Type
  | mk : (Bad → False) → Bad
theorem t : (2 : Nat) + 2 = 5 := by decide
