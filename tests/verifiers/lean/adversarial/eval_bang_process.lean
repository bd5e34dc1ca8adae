-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted|undecided"}
#eval (IO.Process.exit 0 : IO Unit)
theorem t : (2 : Nat) + 2 = 5 := by decide
