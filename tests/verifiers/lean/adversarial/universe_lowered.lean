-- {"statement": "theorem t (α : Type u) (a b : α) (h : a = b) : b = a", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
theorem t (α : Type) (a b : α) (h : a = b) : b = a := h.symm
