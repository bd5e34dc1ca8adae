-- {"statement": "theorem t (a b : Nat) : a + b = b + a", "name": "t", "header": "", "policy": "refuted", "audit": "verified"}
theorem unused : (2 : Nat) + 2 = 5 := sorry
theorem t (a b : Nat) : a + b = b + a := Nat.add_comm a b
