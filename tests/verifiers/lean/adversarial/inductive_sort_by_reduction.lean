-- {"statement": "theorem t (a b : Nat) : a + b = b + a", "name": "t", "header": "", "policy": "undecided", "audit": "undecided"}
def sort (h : 1 = 1) : Type := Eq.rec (motive := fun _ _ => Type) Prop h
inductive Box (h : 1 = 1) : sort h
  | mk (b : Bool) : Box h
theorem boxed (h : 1 = 1) : (Box h : Prop) := .mk true
theorem t (a b : Nat) : a + b = b + a := by
  have := boxed rfl
  omega
