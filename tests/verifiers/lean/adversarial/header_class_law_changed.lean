-- {"statement": "theorem t (α : Type) [Law α] (a b c : α) : Law.op a b = c", "name": "t", "header": "class Law (α : Type) where\n  op : α → α → α\n  law : ∀ a b, op a b = op b a", "policy": "refuted", "audit": "refuted"}
class Law (α : Type) where
  op : α → α → α
  law : ∀ a b c, op a b = c
theorem t (α : Type) [Law α] (a b c : α) : Law.op a b = c := Law.law a b c
