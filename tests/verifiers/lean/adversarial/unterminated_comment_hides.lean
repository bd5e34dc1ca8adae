-- {"statement": "theorem t (a b : Nat) : a + b = b + a", "name": "t", "header": "", "policy": "malformed", "audit": "malformed"}
/- theorem t (a b : Nat) : a + b = b + a := by omega
