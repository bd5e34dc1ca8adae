-- {"statement": "theorem t (a b : Nat) : a + b = b + a", "name": "t", "header": "", "policy": "verified", "audit": "verified"}
import Lean
theorem t (a b : Nat) : a + b = b + a := by omega
