-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "malformed", "audit": "malformed"}
namespace t
theorem t : (2 : Nat) + 2 = 4 := rfl
end t
