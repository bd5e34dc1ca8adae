-- {"statement": "theorem t : ∀ a b : Nat, a + b = b + a + 1", "name": "t", "header": "", "policy": "refuted|undecided", "audit": "refuted|undecided"}
theorem loop₁ (a b : Nat) : a + b = b + a + 0 := by omega
attribute [simp] loop₁
theorem t : ∀ a b : Nat, a + b = b + a + 1 := by simp
