-- {"statement": "theorem t (a b : Nat) : a + b = b + a", "name": "t", "header": "", "policy": "verified", "audit": "verified"}
set_option maxRecDepth 1000000 in
theorem t (a b : Nat) : a + b = b + a := by omega
