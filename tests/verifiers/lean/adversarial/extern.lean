-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
@[extern "lean_nat_sub"] def add (a b : Nat) : Nat := a + b
theorem h : add 2 2 = 5 := by decide
theorem t : (2 : Nat) + 2 = 5 := h
