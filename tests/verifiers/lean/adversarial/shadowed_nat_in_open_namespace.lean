-- {"statement": "theorem t : ∀ a b : Nat, a = b", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
namespace Fake
inductive Nat | zero
end Fake
open Fake
theorem t : ∀ a b : Fake.Nat, a = b := by intro a b; cases a; cases b; rfl
