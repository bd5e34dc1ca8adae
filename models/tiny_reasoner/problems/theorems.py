"""The Lean domain: statements over Nat, Int, Bool, Prop and lists that the core library proves, without Mathlib.

Some need one right tactic, some a computed witness, some a term that follows the hypotheses, some an induction. `$x`,
`$y`, `$z` stand for variable names until the end, so that the key of a theorem does not depend on them.
"""

from __future__ import annotations

import itertools
from random import Random

from models.tiny_reasoner.problems.item import Item
from verifiers.types import Kind

_TRIPLES = (("a", "b", "c"), ("x", "y", "z"), ("m", "n", "k"), ("i", "j", "k"), ("u", "v", "w"))
_PROPS = ("P", "Q", "R", "S")

Goal = tuple[str, str, str, str]
"""Binders, proposition, a line of work before the proof (may be empty), the tactic block."""


def draw_theorem(rng: Random) -> Item:
    form = rng.choice(
        (
            _linear,
            _linear,
            _evaluation,
            _witness,
            _witness,
            _bounded_witness,
            _list,
            _list_witness,
            _boolean,
            _conjunction,
            _chain,
            _disjunction,
            _induction,
        )
    )
    binders, proposition, work, proof = form(rng)
    key = f"theorem {binders} : {proposition}"
    names = dict(zip(("$x", "$y", "$z"), rng.choice(_TRIPLES), strict=True))
    for mark, letter in names.items():
        binders, proposition, work, proof = (t.replace(mark, letter) for t in (binders, proposition, work, proof))
    name = f"t{rng.randint(1, 99)}"
    statement = f"theorem {name} {binders} : {proposition}" if binders else f"theorem {name} : {proposition}"
    block = "".join(f"  {line}\n" for line in proof.split("\n"))
    return Item(
        domain="theorems",
        kind=Kind.LEAN,
        key=key,
        prompt=f"Prove in Lean 4: {statement}",
        reference={"header": "", "name": name, "statement": statement},
        solution=f"{work}{chr(10) if work else ''}```lean\nby\n{block}```",
    )


def _linear(rng: Random) -> Goal:
    a, b, c = rng.randint(1, 30), rng.randint(1, 30), rng.randint(2, 9)
    kind = rng.choice(("Nat", "Int"))
    r = rng.randint(-12, 12) if kind == "Int" else rng.randint(0, 20)
    s = rng.randint(-12, 12) if kind == "Int" else rng.randint(0, r)
    binders, proposition = rng.choice(
        (
            (f"($x $y : {kind}) (h : $x + {a} ≤ $y)", f"$x < $y + {b}"),
            (f"($x : {kind}) (h : {a} < $x)", f"{rng.randint(1, a + 1)} ≤ $x"),
            (f"($x : {kind}) (h : {c} * $x + {a} = {c * r + a})", f"$x = {r}"),
            (f"($x $y : {kind}) (h : $x + $y = {r + s}) (g : $x = $y + {r - s})", f"$y = {s}")
            if r >= s
            else (f"($x $y : {kind}) (h : $x + {a} = $y)", f"$y - {a} = $x"),
            (f"($x : Nat) (h : $x % {c * (b % 5 + 2)} = {a % c})", f"$x % {c} = {a % c}"),
            (f"($x $y : {kind})", f"{c} * ($x + $y) = {c} * $y + {c} * $x"),
            (f"($x : {kind})", f"$x + {a} ≤ {b} + $x + {max(0, a - b) + rng.randint(0, 5)}"),
        )
    )
    return binders, proposition, "", "omega"


def _evaluation(rng: Random) -> Goal:
    a, b, m = rng.randint(2, 40), rng.randint(2, 40), rng.randint(3, 12)
    proposition = rng.choice(
        (
            f"{a} * {b} = {a * b}",
            f"{a} * {b} % {m} = {a * b % m}",
            f"{a} + {b} ≠ {a + b + rng.choice((-1, 1, 10))}",
            f"{m} ∣ {m * a}",
            f"¬ {m} ∣ {m * a + rng.randint(1, m - 1)}",
            f"Nat.gcd {m * 2} {m * 3} = {m}",
            f"{min(a, b)} ≤ {max(a, b)}",
            f"∀ $x < {m}, $x * {a} < {m * a}",
            f"∃ $x < {m}, $x * {a} = {rng.randint(0, m - 1) * a}",
        )
    )
    return "", proposition, "", "decide"


def _witness(rng: Random) -> Goal:
    """An equation to solve; the solution is the witness."""
    a, b = rng.randint(2, 12), rng.randint(1, 40)
    r = rng.randint(1, 20)
    form = rng.choice(("line", "int", "line", "minus", "sum", "square"))
    if form == "line":
        c = a * r + b
        return "", f"∃ $x : Nat, {a} * $x + {b} = {c}", f"{c}-{b}={c - b}, {c - b}/{a}={r}", f"exact ⟨{r}, rfl⟩"
    if form == "int":
        r = rng.randint(-15, -1)
        c = a * r + b
        return "", f"∃ $x : Int, {a} * $x + {b} = {c}", f"{c}-{b}={c - b}, {c - b}/{a}={r}", f"exact ⟨{r}, rfl⟩"
    if form == "square":
        return "", f"∃ $x : Nat, $x * $x + {b} = {r * r + b}", f"{r * r + b}-{b}={r * r}", f"exact ⟨{r}, rfl⟩"
    if form == "sum":
        s = rng.randint(1, 20)
        proposition = f"∃ $x $y : Nat, $x + $y = {r + s} ∧ $x = $y + {r - s}" if r >= s else ""
        if proposition:
            work = f"{r + s}-{r - s}={2 * s}, {2 * s}/2={s}, {s}+{r - s}={r}"
            return "", proposition, work, f"exact ⟨{r}, {s}, rfl, rfl⟩"
    return f"($x : Nat) (h : {b} ≤ $x)", f"∃ $y, $x = $y + {b}", "", f"exact ⟨$x - {b}, by omega⟩"


def _bounded_witness(rng: Random) -> Goal:
    m = rng.randint(3, 12)
    r = rng.randrange(m)
    low = rng.randint(2, 60)
    value = low + 1 + (r - low - 1) % m
    high = low + m + rng.randint(1, 9)
    work = f"{low}%{m}={low % m}, {value}%{m}={r}"
    return "", f"∃ $x, {low} < $x ∧ $x < {high} ∧ $x % {m} = {r}", work, f"exact ⟨{value}, by decide⟩"


def _list(rng: Random) -> Goal:
    values = [str(rng.randint(0, 30)) for _ in range(rng.randint(2, 4))]
    shown = f"[{', '.join(values)}]"
    k = rng.randint(1, 9)
    shifted = f"[{', '.join(str(int(v) + k) for v in values)}]"
    return rng.choice(
        (
            ("($x : List Nat)", f"($x ++ {shown}).length = $x.length + {len(values)}", "", "simp"),
            ("($x : List Nat)", f"({shown} ++ $x).length = $x.length + {len(values)}", "", "simp"),
            ("($x $y : List Nat)", f"($x ++ {values[0]} :: $y).length = $y.length + $x.length + 1", "", "simp\nomega"),
            (f"($x : List Nat) (h : $x = {shown})", f"$x.length = {len(values)}", "", "simp [h]"),
            ("($x : List Nat)", f"{values[-1]} ∈ {shown} ++ $x", "", "simp"),
            ("", f"{shown}.reverse = [{', '.join(reversed(values))}]", "", "rfl"),
            ("", f"{shown}.map (· + {k}) = {shifted}", "", "rfl"),
            ("", f"{shown}.length = {len(values)}", "", "rfl"),
        )
    )


def _list_witness(rng: Random) -> Goal:
    n, k = rng.randint(2, 6), rng.randint(1, 30)
    first = f"exact ⟨[{', '.join([str(k)] * n)}], rfl, rfl⟩"
    return rng.choice(
        (
            ("", f"∃ $x : List Nat, $x.length = {n} ∧ $x.head? = some {k}", "", first),
            ("", f"∃ $x : List Nat, $x.length = 2 ∧ $x.sum = {n * k}", "", f"exact ⟨[{n * k}, 0], rfl, rfl⟩"),
            ("", f"∃ $x : List Nat, $x ++ [{n}] = [{k}, {n}]", "", f"exact ⟨[{k}], rfl⟩"),
            ("", f"∃ $x : List Nat, $x.map (· + {n}) = [{k + n}]", f"{k + n}-{n}={k}", f"exact ⟨[{k}], rfl⟩"),
        )
    )


def _boolean(rng: Random) -> Goal:
    """An identity of Boolean algebra with small expressions put in."""
    e, f = (_boolean_part(rng) for _ in range(2))
    g = rng.choice(("$x", "$y"))
    left, right = rng.choice(
        (
            (f"({e} && {f})", f"({f} && {e})"),
            (f"({e} || {f})", f"({f} || {e})"),
            (f"(!({e} && {f}))", f"(!{e} || !{f})"),
            (f"(!({e} || {f}))", f"(!{e} && !{f})"),
            (f"({e} && ({e} || {f}))", e),
            (f"({e} || ({e} && {f}))", e),
            (f"({g} && ({e} || {f}))", f"(({g} && {e}) || ({g} && {f}))"),
            (f"(xor {e} {f})", f"(xor {f} {e})"),
            (f"({e} && !{e})", "false"),
            (f"({f} || !{f})", "true"),
        )
    )
    if rng.random() < 0.4:
        return "", f"∀ $x $y : Bool, {left} = {right}", "", "decide"
    return "($x $y : Bool)", f"{left} = {right}", "", "cases $x <;> cases $y <;> rfl"


def _boolean_part(rng: Random) -> str:
    return rng.choice(("$x", "$y", "(!$x)", "(!$y)", "($x && $y)", "($x || $y)"))


def _conjunction(rng: Random) -> Goal:
    """From a nested conjunction to another one of the same atoms: paths of projections."""
    atoms = rng.sample(_PROPS, rng.randint(2, 4))
    given, paths = _nest(rng, atoms, "h")
    wanted = rng.sample(atoms, rng.randint(1, min(3, len(atoms))))
    proof = paths[wanted[0]] if len(wanted) == 1 else f"⟨{', '.join(paths[p] for p in wanted)}⟩"
    binders = f"({' '.join(sorted(atoms))} : Prop) (h : {given})"
    return binders, " ∧ ".join(wanted), "", f"exact {proof}"


def _nest(rng: Random, atoms: list[str], path: str) -> tuple[str, dict[str, str]]:
    if len(atoms) == 1:
        return atoms[0], {atoms[0]: path}
    cut = rng.randint(1, len(atoms) - 1)
    left, left_paths = _nest(rng, atoms[:cut], f"{path}.1")
    right, right_paths = _nest(rng, atoms[cut:], f"{path}.2")
    left = f"({left})" if cut > 1 else left
    return f"{left} ∧ {right}", left_paths | right_paths


def _chain(rng: Random) -> Goal:
    """Implications in any order, applied one after the other."""
    atoms = rng.sample(_PROPS, rng.randint(2, 4))
    links = [(f"h{k}", source, target) for k, (source, target) in enumerate(itertools.pairwise(atoms), 1)]
    names = rng.sample([name for name, _, _ in links], len(links))
    links = [(name, source, target) for name, (_, source, target) in zip(names, links, strict=True)]
    term = "p"
    for name, _, _ in links:
        term = f"{name} {term}" if term == "p" else f"{name} ({term})"
    binders = f"({' '.join(sorted(atoms))} : Prop) " + " ".join(f"({n} : {s} → {t})" for n, s, t in sorted(links))
    if rng.random() < 0.5:
        return f"{binders} (p : {atoms[0]})", atoms[-1], "", f"exact {term}"
    return binders, f"{atoms[0]} → {atoms[-1]}", "", f"intro p\nexact {term}"


def _disjunction(rng: Random) -> Goal:
    atoms = rng.sample(_PROPS, rng.randint(2, 4))
    names = f"({' '.join(sorted(atoms))} : Prop)"
    if rng.random() < 0.6:
        k = rng.randrange(len(atoms))
        term = "h"
        if k < len(atoms) - 1:
            term = "Or.inl h"
        for _ in range(k):
            term = f"Or.inr ({term})" if " " in term else f"Or.inr {term}"
        return f"{names} (h : {atoms[k]})", " ∨ ".join(atoms), "", f"exact {term}"
    first, second = atoms[:2]
    binders = f"({' '.join(sorted((first, second)))} : Prop) (h : {first} ∨ {second})"
    return binders, f"{second} ∨ {first}", "", "cases h with\n| inl h => exact Or.inr h\n| inr h => exact Or.inl h"


def _induction(rng: Random) -> Goal:
    m = rng.randint(1, 12)
    a = m * rng.randint(1, 4) + 1
    proposition = rng.choice(
        (
            f"0 < {a} ^ $x",
            f"$x < {a} ^ $x",
            f"{m} * $x + 1 ≤ {a} ^ $x",
            f"{m} * $x < {a} ^ $x",
            f"{a} ^ $x % {m} = 1" if m > 1 else f"1 ≤ {a} ^ $x",
            f"{a} ^ $x ≠ 0",
        )
    )
    proof = "induction $x with\n| zero => decide\n| succ $y ih => rw [Nat.pow_succ]; omega"
    return "($x : Nat)", proposition, "", proof
