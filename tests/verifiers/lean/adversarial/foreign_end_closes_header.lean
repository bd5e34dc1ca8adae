-- {"statement": "theorem t (a b : Nat) : a + b = b + a", "name": "t", "header": "namespace Foo", "policy": "refuted", "audit": "refuted"}
end Foo
theorem t (a b : Nat) : a + b = b + a := by omega
