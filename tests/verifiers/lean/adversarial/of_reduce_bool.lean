-- {"statement": "theorem t : f = true", "name": "t", "header": "def f : Bool := true", "policy": "refuted", "audit": "refuted"}
def f : Bool := true
theorem t : f = true := Lean.ofReduceBool f true rfl
