-- {"statement": "theorem t : 1 = 2", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
@[default_instance high] instance : OfNat String n := ⟨""⟩
theorem t : 1 = 2 := by rfl
