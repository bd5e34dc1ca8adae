-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
macro "#print" "axioms" ident : command => `(section)
theorem t : (2 : Nat) + 2 = 5 := sorryAx _ true
#print axioms t
