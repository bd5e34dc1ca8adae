-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
def leak : Nat := (unsafeIO (IO.FS.writeFile "/tmp/x" "y") |>.toOption |>.getD ()) |> fun _ => 5
theorem t : (2 : Nat) + 2 = 5 := by decide
