-- {"statement": "theorem t : (fun (f : Nat → Nat) => f (f (f (f (f 0))))) (fun x => x + x) = 1", "name": "t", "header": "", "policy": "refuted|undecided", "audit": "refuted|undecided"}
theorem t : (fun (f : Nat → Nat) => f (f (f (f (f 0))))) (fun x => x + x) = 1 := by
  repeat (first | rfl | simp | decide | omega)
