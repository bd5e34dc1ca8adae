-- {"statement": "theorem t : \"\\uFEFFa\".length = 1", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
theorem t : "a".length = 1 := rfl
