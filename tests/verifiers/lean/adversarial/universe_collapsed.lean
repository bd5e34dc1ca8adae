-- {"statement": "theorem t (α : Type u) (β : Type v) : (α → β → α) = (α → β → α)", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
universe u
theorem t (α β : Type u) : (α → β → α) = (α → β → α) := rfl
