-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "malformed", "audit": "malformed"}
public theorem t : True := trivial
theorem u : True := t
