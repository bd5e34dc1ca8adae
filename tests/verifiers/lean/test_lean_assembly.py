"""From a model's text to Lean source: forms, fences, imports, positions. No Lean needed."""

from __future__ import annotations

import random
import sys

import pytest

from verifiers.lean import assembly
from verifiers.lean.assembly import (
    MAX_HEARTBEATS_IN_TEXT,
    Reference,
    Source,
    Unreadable,
    assemble,
    mask,
    mathlib_word,
    needs_solver,
    read_reference,
)
from verifiers.lean.native.policy import refusal
from verifiers.lean.reading import edited, lemma_edits, namespace_edits, query_edits

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


def test_foreign_imports_are_dropped_and_said() -> None:
    text = f"import Mathlib\nimport Aesop\n\nopen BigOperators Real\n\n{STATEMENT} := by omega"
    (source,) = sources(text)
    assert "import" not in source.code and source.foreign == "Mathlib"
    # What it opens exists then, on the same line, so that the lines of errors hold.
    assert source.code.split("\n")[3].startswith("namespace BigOperators end BigOperators namespace Real end Real open")
    own = Reference(("Std",), "", STATEMENT, "t")
    (source,) = sources("-- remark\nimport Std\nimport Init\n" + STATEMENT + " := by omega", own)
    assert "import" not in source.code and not source.foreign
    assert source.line_in_text(4) == 4


def test_heartbeats_in_a_text_count_up_to_a_cap() -> None:
    text = f"set_option maxHeartbeats 0 in\nset_option synthInstance.maxHeartbeats 400_000 in\n{STATEMENT} := by omega"
    code = sources(text)[0].code
    assert f"maxHeartbeats {MAX_HEARTBEATS_IN_TEXT} in" in code
    assert "synthInstance.maxHeartbeats 400_000 in" in code
    for asked, given in (
        ("500", "500"),
        ("99999999", str(MAX_HEARTBEATS_IN_TEXT)),
        ("9" * 50, str(MAX_HEARTBEATS_IN_TEXT)),
    ):
        assert (
            f"maxHeartbeats {given} in"
            in sources(f"set_option maxHeartbeats {asked} in\n{STATEMENT} := by omega")[0].code
        )


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


def test_a_fence_may_be_written_as_models_write_it() -> None:
    proof = f"{STATEMENT} := by\n  omega"
    for text in (
        f"```lean4\n{proof}\n``` That is all.",
        f"```lean4\n{proof}\n```<|im_end|>",
        f"```lean4\n{proof}```",
        f"Proof: ```lean4\n{proof}\n```",
        f"```lean4:main.lean\n{proof}\n```",
        f"> ```lean\n{proof}\n```\nDone.",
        f"```lean4 {proof}\n```",
        f"````lean4\n{proof}\n````",
        f"~~~lean4\n{proof}\n~~~",
        f"```lean4\n{proof}",
        f"{proof}\n```",
        f"{proof}\n```\n",
        f"{proof}```",
        f"\ufeff```lean4\n{proof}\n```",
        f"```text\na + b\n```\n```lean4\n{proof}\n```",
        f"```lean4\n{proof}\n```text\nwords\n```",
        f"<answer>\n{proof}\n</answer>",
        f"{proof}</s>",
    ):
        assert sources(text)[0].code.split() == proof.split(), text


def test_lemmas_of_earlier_blocks_are_tried_with_the_theorem() -> None:
    helper = "A helper:\n```lean4\nimport Lean\ntheorem h : 1 = 1 := rfl\n```\n"
    text = f"{helper}Then:\n```lean4\n{STATEMENT} := by omega\n```"
    alone, together = sources(text)
    assert "theorem h" not in alone.code and "theorem h" in together.code
    assert "import" not in together.code and "helper" not in together.code
    line = next(i for i, row in enumerate(together.code.split("\n"), 1) if row.startswith("theorem t"))
    assert text.split("\n")[together.line_in_text(line) - 1].startswith("theorem t")
    draft = f"```lean4\n{STATEMENT} := by simp\n```\nNo:\n```lean4\n{STATEMENT} := by omega\n```"
    assert len(sources(draft)) == 1  # a draft of the theorem is no lemma for it


def test_what_is_left_out_of_a_file() -> None:
    queries = "/-- info: 2 -/\n#guard_msgs in\n#eval 1 + 1\n#check t"
    code = sources(f"{STATEMENT} := by omega\n\n{queries}\n\ntheorem u : 1 = 1 := rfl")[0].code
    assert "#" not in code and "info" not in code and "theorem u" in code
    inside = f'def s := "\n#eval 1"\n{STATEMENT} := by omega'
    assert "#eval" in sources(inside)[0].code  # inside a string it is no command
    prose = f"Here is the proof:\n\n{STATEMENT} := by omega\n\nThis proves it because addition commutes."
    assert [source.code.strip() for source in sources(prose)][1] == f"{STATEMENT} := by omega"
    assert sources("lemma t (a b : Nat) : a + b = b + a := by omega")[0].code.startswith("theorem t")
    mathlib = Reference(("Mathlib",), "", STATEMENT, "t")
    assert sources("lemma t (a b : Nat) : a + b = b + a := by omega", mathlib)[0].code.startswith("lemma t")


def test_a_first_line_without_its_indentation_is_also_read_with_it() -> None:
    forms = sources("have h := a\n  exact h")
    assert [source.form for source in forms] == ["tactics", "tactics", "term"]
    assert forms[1].code.endswith("    have h := a\n    exact h\n")


TOKENS = ["`", "~", "```", "```lean\n", "```\n", "/-", '"', "'", "#eval\n", "/-- -/\n#eval\n", "\n\n", "lemma "]
TOKENS += ["open A\n", "theorem t := ", "```lean theorem t```\n", "--\n"]


@pytest.mark.parametrize("token", TOKENS)
def test_reading_takes_steps_in_proportion_to_the_text(token: str) -> None:
    """Counted in calls of functions, which a busy machine cannot disturb: twice the text, about twice the calls."""
    counts = []
    for size in (30_000, 60_000):
        text = (token * size)[:size]
        calls = 0

        def count(frame: object, event: str, argument: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            assemble(PLAIN, text, MAX)
        finally:
            sys.setprofile(None)
        counts.append(calls)
    assert counts[1] < 3 * counts[0] + 1000, counts


SIZE = 300_000
HEAVY = {
    "backticks": "`" * 900_000,
    "tildes": "~" * 900_000,
    "fences": "```\n" * (SIZE // 4),
    "attributes that do not end": "@[\n" * (SIZE // 3),
    "attributes behind a theorem": "theorem t : True := trivial\n\n" + "@[\n" * (SIZE // 3),
    "attributes in attributes": "@[" * (SIZE // 2),
    "the command attribute": "attribute [" * (SIZE // 11),
    "a name that ends in no name": "import Mathlib\nopen " + "A" * 60 + "!\ntheorem t : True := trivial",
    "names that end in no name": "import Mathlib\nopen " + "A " * (SIZE // 2) + "!\ntheorem t : True := trivial",
    "queries": "theorem t : True := trivial\n" + "/-- -/\n#eval 1\n" * (SIZE // 15),
    "comments that do not end": "/-" * (SIZE // 2),
    "strings": '"' * (SIZE // 3),
    "gaps": "theorem t : True := trivial" + "\n \t" * (SIZE // 3) + "x",
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", HEAVY)
def test_no_text_takes_more_than_linear_time(name: str) -> None:
    """A quadratic search of these would take minutes, and one of them an exponential one for ever."""
    stated = read_reference({"header": "", "statement": "theorem t : True", "name": "t"})
    assert isinstance(stated, Reference)
    found = assemble(stated, HEAVY[name], 200_000)
    refusal(HEAVY[name])
    for source in found if isinstance(found, list) else []:
        assert not needs_solver(source) and not mathlib_word(source)


PIECES = (
    *('"', "\\", "--", "/-", "-/", "\n", "#eval ", "theorem t : x := y", "lemma ", "open A B", "@[simp] ", "'", 'r#"'),
    *("set_option maxHeartbeats 5", "#guard_msgs in\n", "/-- a -/\n", "import A\n", " ", "x"),
)


def test_what_is_rewritten_is_rewritten_alike_in_the_masked_text() -> None:
    """A rewriting that began or ended inside a string or a comment would change what the rest of the text is."""
    for seed in range(4000):
        draw = random.Random(seed)
        code = "".join(draw.choice(PIECES) for _ in range(draw.randint(1, 25)))
        masked, comments = assembly._mask(code)
        for edits in (
            lambda c, m: query_edits(c, m, comments, 0),  # noqa: B023
            lambda c, m: lemma_edits(m),
            lambda c, m: namespace_edits(m),
            lambda c, m: assembly._budget_edits(m, 1),
        ):
            code, masked = edited(code, masked, edits(code, masked))
            assert mask(code) == masked, (seed, code)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("@[aesop safe [constructors], implemented_by f] def x := 1", "uses the attribute implemented_by"),
        ("attribute [local simp, csimp] foo", "uses the attribute csimp"),
        ("@[simp] def f := [csimp]", ""),
        ("@[extern", "uses the attribute extern"),
        ("@[a [b [c] extern] d] x", "uses the attribute extern"),
    ],
)
def test_attributes_are_looked_for_in_their_brackets(code: str, reason: str) -> None:
    assert refusal(code) == reason
