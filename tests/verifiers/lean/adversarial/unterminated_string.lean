-- {"statement": "theorem t (a b : Nat) : a + b = b + a", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
theorem t (a b : Nat) : a + b = b + a := by omega
def s := "abc
