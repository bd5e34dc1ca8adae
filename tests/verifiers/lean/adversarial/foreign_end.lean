-- {"statement": "theorem t (a b : Nat) : a + b = b + a", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
end
theorem t (a b : Nat) : a + b = b + a := by omega
