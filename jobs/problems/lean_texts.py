"""Lean texts of problem files: header, theorem and `sorry` in one text, taken apart; and how the problem is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping

from jobs.problems.errors import BadRow
from verifiers.lean.assembly import mask
from verifiers.reference_fields import excerpt
from verifiers.types import Json

LEAN_TASK = "Complete this Lean 4 theorem: replace `sorry` by a proof and give the whole file in one ```lean4 block."
LEAN_TAIL = re.compile(r":=\s*(by\b\s*)?(sorry\s*)?$")
LEAN_TARGET = re.compile(
    r"^[ \t]*((?:(?:@\[[^\]\n]*\]|private|protected|nonrec)[ \t]+)*(?:theorem|lemma)\s+([^\s:({\[]+))", re.MULTILINE
)
_BEFORE_THEOREM = re.compile(
    r"(?:\A|\n)[ \t]*((?:(?:open|set_option)\b[^\n]*\bin|@\[[^\]\n]*\]|private|protected)\s*)\Z"
)
_SORRY = re.compile(r"(?<![\w.'])(?:sorry|admit)(?![\w'])")


def lean_reference(value: str, field: str, header: Json = None) -> dict[str, Json]:
    """`header`, `name` and `statement` of a text whose last theorem is to be proven; it may end in `:= by sorry`,
    `:= sorry`, `:=` or before all of these. `header` is what the file holds in a column of its own. Raises BadRow."""
    text = value.replace("\r\n", "\n").strip()
    masked = mask(text)
    targets = list(LEAN_TARGET.finditer(masked))
    if not targets:
        raise BadRow(field, f"no theorem: {excerpt(text[-60:])}", "a file with one theorem to prove")
    start = targets[-1].start(1)
    tail = LEAN_TAIL.search(masked)
    if tail is None and has_proof(masked[start:]):
        raise BadRow(field, f"does not end in sorry: {excerpt(text[-60:])}", "`… := by sorry`")
    end = tail.start() if tail else len(text)
    if _SORRY.search(masked[:end]):
        raise BadRow(field, "has a second sorry, which the proof would rest on", "one sorry, at its end")
    if header is not None and not isinstance(header, str):
        raise BadRow(field, f"a header that is {excerpt(header)}", "text")
    before, own, _ = parts_before_theorem(text[:start])
    parts = [part.strip() for part in (header or "", before) if part.strip()]
    return {"header": "\n\n".join(parts), "name": targets[-1][2], "statement": own + text[start:end].strip()}


def parts_before_theorem(text: str) -> tuple[str, str, str]:
    """What stands before a theorem, taken apart: the header; lines that belong to the theorem itself (`open … in`,
    attributes); and the words of its doc comment. A header that ended in one of the latter would elaborate nowhere."""
    before, words = _without_doc_comment(text)
    own = ""
    while found := _BEFORE_THEOREM.search(before):
        own = f"{found[1].strip()}\n{own}"
        before, more = _without_doc_comment(before[: found.start(1)])
        words = words or more
    return before.strip(), own, words


def _without_doc_comment(text: str) -> tuple[str, str]:
    """The text without a doc comment at its end, and its words."""
    text = text.rstrip()
    start = text.rfind("/--")
    if start < 0 or text.find("-/", start + 3) != len(text) - 2:
        return text, ""
    return text[:start].rstrip(), text[start + 3 : -2].strip()


def doc_comment(value: str) -> str:
    """The words of the doc comment before the last theorem of a text; empty where there is none."""
    text = value.replace("\r\n", "\n").strip()
    targets = list(LEAN_TARGET.finditer(mask(text)))
    return parts_before_theorem(text[: targets[-1].start(1)])[2] if targets else ""


def has_proof(masked: str) -> bool:
    """Whether a `:=` stands outside of all brackets: what follows it is a proof and no default value."""
    depth = 0
    for position, character in enumerate(masked):
        if character in "([{⟨⦃":
            depth += 1
        elif character in ")]}⟩⦄":
            depth -= 1
        elif character == ":" and depth <= 0 and masked.startswith(":=", position):
            return True
    return False


def lean_task(words: str, reference: Mapping[str, Json]) -> str:
    """The prompt of a Lean problem: the task, the problem in words where there are any, and the file to complete."""
    theorem = f"{reference.get('header') or ''}\n\n{reference.get('statement') or ''} := by\n  sorry".strip()
    return f"{LEAN_TASK}\n\n" + (f"{words}\n\n" if words else "") + f"```lean4\n{theorem}\n```"
