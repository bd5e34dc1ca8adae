"""Stepwise labels (`prm`): what a checker's evidence says about the steps of a text, for process reward models.

Promises: a label is a checker's word, never an inference from the final verdict. Does not: split prose into steps.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from jobs.export import selection
from jobs.export.bucket import Bucket
from jobs.export.choosing import (
    BucketResult,
    BuilderInputs,
    choose,
    leave,
    result,
    sample_fingerprints,
    spread,
    usable_candidates,
)
from jobs.export.formats.chats import column, flat_prompt, parse_chats, provenance


def build(bucket: Bucket, inputs: BuilderInputs) -> BucketResult:
    """Samples whose evidence says step by step what is right."""
    found = usable_candidates(bucket)
    steps: dict[int, tuple[list[str], list[bool]]] = {}
    missing = np.zeros(len(bucket.table), bool)
    for position, row in enumerate(found.at.tolist()):
        if not bucket.alive[row]:
            continue
        evidence = bucket.table["evidence"][row].as_py()
        labelled = read_steps(evidence) or lean_steps(found.texts[position].as_py(), evidence)
        if labelled is None:
            missing[row] = True
        else:
            steps[position] = labelled
    bucket.drop(missing, "no_step_evidence")
    picked = [np.zeros(0, np.int64)]
    for _, members in bucket.members(found):
        range_ = np.arange(members.start, members.stop)
        # A right and a wrong text that are nearly the same teach where they part.
        either = [spread(bucket, found, range_, status)[0] for status in ("verified", "refuted")]
        chosen = np.sort(np.concatenate(either))
        picked.append(choose(bucket, found, chosen, selection.similarities(found.signatures[chosen]), None))
    at = np.sort(np.concatenate(picked))
    rows = found.at[at]
    leave(bucket, rows, "not_chosen")
    table = prm_table(bucket.table.take(pa.array(rows)), [steps[position] for position in at.tolist()])
    return result(bucket, table, sample_fingerprints(bucket, found, at), 1)


PRM_SCHEMA = pa.schema(
    [
        ("prompt", pa.string()),
        ("completions", pa.list_(pa.string())),
        ("labels", pa.list_(pa.bool_())),
        *[(name, pa.string()) for name in ("id", "problem_id", "run_id", "kind", "domain", "source", "model")],
        ("tokens", pa.int64()),
    ]
)


def prm_table(rows: pa.Table, steps: Sequence[tuple[list[str], list[bool]]]) -> pa.Table:
    """`steps[i]` are the step texts of row i and whether each is right.

    The prompt is one text: TRL's PRM trainer tokenizes it as it is, without a chat template.
    """
    body = {
        "prompt": flat_prompt(parse_chats(column(rows, "messages"))),
        "completions": pa.array([texts for texts, _ in steps], pa.list_(pa.string())),
        "labels": pa.array([labels for _, labels in steps], pa.list_(pa.bool_())),
    }
    return pa.table({**body, **provenance(rows)}).cast(PRM_SCHEMA)


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
