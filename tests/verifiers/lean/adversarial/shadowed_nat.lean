-- {"statement": "theorem t : ∀ a b : Nat, a = b", "name": "t", "header": "", "policy": "malformed", "audit": "malformed"}
namespace Fake
inductive Nat | zero
theorem t : ∀ a b : Nat, a = b := by intro a b; cases a; cases b; rfl
end Fake
