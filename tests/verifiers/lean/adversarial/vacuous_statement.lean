-- {"statement": "theorem t (n : Nat) (h : n < n) : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "verified", "audit": "verified"}
theorem t (n : Nat) (h : n < n) : (2 : Nat) + 2 = 5 := absurd h (Nat.lt_irrefl n)
