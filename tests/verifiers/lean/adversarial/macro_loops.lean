-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted|undecided", "audit": "refuted|undecided"}
macro_rules | `(tactic| trivial) => `(tactic| trivial; trivial)
macro "forever" : tactic => `(tactic| repeat (first | skip))
theorem t : (2 : Nat) + 2 = 5 := by forever
