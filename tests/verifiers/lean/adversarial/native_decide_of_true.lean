-- {"statement": "theorem t : (List.range 500).length = 500", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
theorem t : (List.range 500).length = 500 := by native_decide
