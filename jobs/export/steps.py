"""Stepwise labels (`prm`): what a checker's evidence says about the steps of a text.

Promises: a label is a checker's word, never an inference from the final verdict. Does not: split prose into steps.
"""

from __future__ import annotations

import json


def read_steps(evidence: str | None) -> tuple[list[str], list[bool]] | None:
    """`steps` of a verdict's evidence: [{"text", "ok"}, …], as a checker that looks at steps reports them."""
    try:
        steps = json.loads(evidence or "null")["steps"]
        texts, labels = [step["text"] for step in steps], [step["ok"] for step in steps]
        "".join(texts).encode()  # fails for half a surrogate pair, which JSON can name
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    good = all(isinstance(text, str) for text in texts) and all(isinstance(label, bool) for label in labels)
    return (texts, labels) if steps and good else None


def lean_steps(text: str, evidence: str | None) -> tuple[list[str], list[bool]] | None:
    """The lines of a proof up to the first that Lean's elaborator objects to. A verified proof has no wrong line.

    Prose around a code block is no step. An `unsolved goals` error points at the `by`, not at what is wrong.
    """
    try:
        table = json.loads(evidence or "null")
        fault = table.get("error")
        proved = "axioms" in table and "replayed" in table and fault is None
        usable = proved or (table["phase"] == "elaboration" and not fault["message"].startswith("unsolved goals"))
        lines = text.split("\n")
        wrong = len(lines) if proved else int(fault["line"]) - 1
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    if not usable or not 0 <= wrong <= len(lines):
        return None
    fences = [at for at, line in enumerate(lines) if line.lstrip().startswith("```")]
    opened = [at for at in fences[::2] if at < wrong]
    start = opened[-1] + 1 if opened else 0
    stop = next((at for at in fences if at >= start), len(lines))
    if not proved and wrong >= stop:
        return None
    right = [line for line in lines[start : min(wrong, stop)] if line.strip()]
    texts = right if proved else [*right, lines[wrong]]
    return (texts, [True] * len(right) + [False] * (len(texts) - len(right))) if texts else None
