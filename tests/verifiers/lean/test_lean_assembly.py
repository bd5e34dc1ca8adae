"""From a model's text to Lean source: forms, fences, imports, positions. No Lean needed."""

from __future__ import annotations

import pytest

from verifiers.lean.assembly import Reference, Source, Unreadable, assemble, mask, read_reference

STATEMENT = "theorem t (a b : Nat) : a + b = b + a"
PLAIN = Reference(imports=(), header="", statement=STATEMENT, name="t")
MAX = 1000


def sources(text: str, reference: Reference = PLAIN) -> list[Source]:
    found = assemble(reference, text, MAX)
    assert not isinstance(found, Unreadable), found
    return found


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("omega", ["tactics", "term"]),
        ("fun x => x", ["term", "tactics"]),
        ("Nat.add_comm a b", ["term", "tactics"]),
        ("by\n  omega", ["by"]),
        (":= by omega", ["definition"]),
        ("| a, b => rfl", ["alternatives"]),
        ("set_option maxRecDepth 2000 in\nomega", ["tactics", "term"]),
        ("open Nat in open List in exact add_comm a b", ["tactics", "term"]),
        (STATEMENT + " := by omega", ["file"]),
        ("-- first a remark\nby omega", ["by"]),
        ("lemma h : 1 = 1 := rfl\n" + STATEMENT + " := by omega", ["file"]),
    ],
)
def test_forms(text: str, forms: list[str]) -> None:
    assert [s.form for s in sources(text)] == forms


def test_the_fenced_block_with_the_theorem_wins_over_a_later_one() -> None:
    text = f"```lean\n{STATEMENT} := by omega\n```\nwhich uses\n```lean\n#check Nat\n```\n"
    assert sources(text)[0].code.strip() == f"{STATEMENT} := by omega"


def test_blocks_in_other_languages_and_thoughts_are_not_read() -> None:
    text = "<think>\n```lean\nby simp\n```\n</think>\n```python\nprint(1)\n```\n```lean4\nby omega\n```"
    assert "omega" in sources(text)[0].code
    assert "simp" not in sources(text)[0].code


def test_an_unfinished_fence_is_read_to_the_end() -> None:
    assert "omega" in sources("```lean\nby\n  omega")[0].code


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the text is empty"),
        ("```lean\n\n```", "the text is empty"),
        ("-- nothing", "there is nothing but comments"),
        ("by omega\0", "null byte in the text"),
        ("by omega\ud800", "the text is not valid Unicode"),
        ("theorem other : 1 = 1 := rfl", "theorem not found"),
        ("/- theorem t : 1 = 1 -/\ntheorem other : 1 = 1 := rfl", "theorem not found"),
        ('def s := "theorem t : 1"', "theorem not found"),
        ("#eval 1", "theorem not found"),
        ("open Nat in\ntheorem other : 1 = 1 := rfl", "theorem not found"),
        ("open Nat\nintro x", "theorem not found"),
    ],
)
def test_unreadable_texts(text: str, reason: str) -> None:
    found = assemble(PLAIN, text, MAX)
    assert isinstance(found, Unreadable)
    assert (found.reason, found.refused) == (reason, False)


def test_foreign_imports_are_refused_and_the_problems_own_dropped() -> None:
    refused = assemble(PLAIN, "import Mathlib\n" + STATEMENT + " := by ring", MAX)
    assert isinstance(refused, Unreadable)
    assert refused.refused
    assert refused.reason == "imports Mathlib, which the problem does not"
    own = Reference(("Std",), "", STATEMENT, "t")
    (source,) = sources("-- remark\nimport Std\nimport Init\n" + STATEMENT + " := by omega", own)
    assert "import" not in source.code
    assert source.line_in_text(4) == 4


def test_heartbeats_can_not_be_raised() -> None:
    text = f"set_option maxHeartbeats 0 in\nset_option synthInstance.maxHeartbeats 400_000 in\n{STATEMENT} := by omega"
    code = sources(text)[0].code
    assert "maxHeartbeats 1000 in" in code
    assert "400_000" not in code
    assert "maxHeartbeats 500 in" in sources(f"set_option maxHeartbeats 500 in\n{STATEMENT} := by omega")[0].code


def test_a_repeated_header_is_not_elaborated_twice() -> None:
    reference = Reference((), "open Nat\ndef twice (n : Nat) := n + n", "theorem t : twice 1 = 2", "t")
    text = "import Init\n\nopen Nat\n\ndef twice (n : Nat) :=\n  n + n\n\ntheorem t : twice 1 = 2 := rfl\n"
    first, second = sources(text, reference)
    assert (first.form, first.code.strip()) == ("file", "theorem t : twice 1 = 2 := rfl")
    assert first.header == reference.header
    assert (second.form, second.header) == ("standalone file", "")


def test_positions_point_into_the_text() -> None:
    text = "Here it is:\n\n```lean\n-- remark\nby\n  omega\n```"
    (source,) = sources(text)
    line = source.code.split("\n").index("  omega") + 1
    assert text.split("\n")[source.line_in_text(line) - 1] == "  omega"
    bare = sources("\n\nintro x\nomega")[0]
    line = bare.code.split("\n").index("  omega") + 1
    assert bare.line_in_text(line) == 4


def test_mask_blanks_comments_and_strings_and_keeps_positions() -> None:
    text = 'a /- x /- y -/ z -/ b -- c "d\ne "f -- g" h \'"\' i r#"j"k"# l'
    masked = mask(text)
    assert len(masked) == len(text)
    assert masked.replace(" ", "") == "ab\ne\"\"h''il"


@pytest.mark.parametrize("ending", ["", " :=", " := by", ":= by\n", " := sorry", " := by sorry", " := by\n  sorry\n"])
def test_statement_endings_are_cut(ending: str) -> None:
    reference = read_reference({"header": "import Std\nopen Nat", "statement": STATEMENT + ending, "name": "t"})
    assert reference == Reference(("Std",), "open Nat", STATEMENT, "t")


@pytest.mark.parametrize(
    "reference", [{}, {"statement": STATEMENT}, {"name": "t", "statement": 3}, {"name": "t", "statement": "a\0b"}]
)
def test_bad_references_are_explained(reference: dict[str, object]) -> None:
    assert isinstance(read_reference(dict(reference)), str)
