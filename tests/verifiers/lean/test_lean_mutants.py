"""Mutated statements, exchanged names and what chat models write around a proof: the checker against an oracle.

The oracle (tests/helpers/lean_mutants.py) refutes statements by trying small values and knows nothing of Lean. `make
lean-mutants` runs all, a plain run of the tests a twentieth.
"""

from __future__ import annotations

import collections
import os
import random
import zlib
from typing import Any

import lean_mutants
import pytest
from lean_mutants import SUBJECTS, Statement, Subject

from verifiers.lean.checker import LeanChecker
from verifiers.types import Kind, Problem, Status, Verdict

pytestmark = pytest.mark.lean

SHARE = int(os.environ.get("PROOFMILL_MUTANTS_SHARE", "20"))
"""One in so many texts is checked."""
PER_SUBJECT = 25
NUM_SHAPES = 300
NAMES = [f"{i}: {subject.statement.lean()[8:60]}" for i, subject in enumerate(SUBJECTS)]


def problem(statement: Statement) -> Problem:
    return Problem("p", Kind.LEAN, "", {"header": "", "statement": statement.lean(), "name": "t"})


def check(lean: LeanChecker, statement: Statement, text: str) -> Verdict:
    return lean.verify(problem(statement), text)


def chosen(number: int, subject: Subject) -> bool:
    """The share of the texts that is checked: others for each subject."""
    return (number + zlib.crc32(subject.statement.lean().encode())) % SHARE == 0


@pytest.mark.parametrize("subject", SUBJECTS, ids=NAMES)
def test_the_subjects_are_right(lean: LeanChecker, subject: Subject) -> None:
    assert not subject.statement.is_refuted()
    verdict = check(lean, subject.statement, subject.proof)
    assert verdict.status is Status.VERIFIED, (subject, verdict.reason, verdict.evidence)


@pytest.mark.parametrize("subject", SUBJECTS, ids=NAMES)
def test_mutated_statements(lean: LeanChecker, subject: Subject, record_property: Any) -> None:
    """What the oracle refutes is never verified, and no text that states the one is a proof of the other."""
    counts: collections.Counter[str] = collections.Counter()
    old = f"{subject.statement.lean()} := {subject.proof}"
    for number, mutant in enumerate(lean_mutants.mutants(subject.statement, seed=14, count=PER_SUBJECT)):
        if not chosen(number, subject):
            continue
        # The old proof, which by luck may prove the new statement.
        verdict = check(lean, mutant, subject.proof)
        false = mutant.is_refuted()
        counts[f"{'false' if false else 'perhaps true'}, old proof: {verdict.status}"] += 1
        assert not (false and verdict.status is Status.VERIFIED), (mutant.lean(), subject.proof, verdict.evidence)
        # The old theorem, and the new one given for the old.
        new = f"{mutant.lean()} := {subject.proof}"
        for asked, text in ((mutant, old), (subject.statement, new)):
            verdict = check(lean, asked, text)
            counts[f"another statement: {verdict.status}"] += 1
            assert verdict.status is not Status.VERIFIED, (asked.lean(), text)
    for what, count in counts.items():
        record_property(what, count)


@pytest.mark.parametrize("subject", SUBJECTS, ids=NAMES)
def test_the_proof_of_one_statement_under_the_name_of_another(
    lean: LeanChecker, subject: Subject, record_property: Any
) -> None:
    right = f"{subject.statement.lean('u')} := {subject.proof}"
    names = " ".join(subject.statement.variables)
    hypotheses = " ".join(f"h{i}" for i in range(1, len(subject.statement.hypotheses) + 1))
    count = 0
    for number, other in enumerate(SUBJECTS):
        if other is subject or not chosen(number, subject):
            continue
        wrong = f"{other.statement.lean()} := {other.proof}"
        hidden = f"namespace A\n{wrong}\nend A\n{right}"
        forms = (f"{right}\n\n{wrong}", right, hidden, f"{wrong}\n\n{right}")
        for text in (wrong, forms[number % len(forms)]):
            verdict = check(lean, subject.statement, text)
            count += 1
            assert verdict.status is not Status.VERIFIED, (subject.statement.lean(), text)
    record_property("exchanged", count)
    # The same proof under another name, used where it belongs, is a proof.
    applied = f"{right}\n\n{subject.statement.lean()} := u {names} {hypotheses}"
    assert check(lean, subject.statement, applied).status is Status.VERIFIED, applied


def test_what_is_written_around_a_proof(lean: LeanChecker, record_property: Any) -> None:
    """Around a right proof it costs no verdict; around a wrong one it makes none right."""
    counts: collections.Counter[str] = collections.Counter()
    for number in range(0, NUM_SHAPES, SHARE):
        draw = random.Random(number)
        subject = draw.choice(SUBJECTS)
        statement = subject.statement
        text = lean_mutants.wrapped(draw, statement.lean(), subject.proof)
        verdict = check(lean, statement, text)
        counts[f"right: {verdict.status}"] += 1
        assert verdict.status is Status.VERIFIED, (number, text, verdict.reason, verdict.evidence)
        other = draw.choice([s for s in SUBJECTS if s is not subject])
        false = [m for m in lean_mutants.mutants(statement, seed=number, count=20) if m.is_refuted()]
        wrong = [
            (statement, lean_mutants.wrapped(draw, other.statement.lean(), other.proof)),
            (
                statement,
                lean_mutants.wrapped(draw, statement.lean(), draw.choice(("sorry", "by sorry", "by\n  admit"))),
            ),
            (statement, lean_mutants.wrapped(draw, statement.lean("u"), subject.proof)),
        ]
        if false:
            asked = draw.choice(false)
            wrong.append((asked, lean_mutants.wrapped(draw, asked.lean(), subject.proof)))
            wrong.append((asked, lean_mutants.wrapped(draw, statement.lean(), subject.proof)))
        for asked, text in wrong:
            verdict = check(lean, asked, text)
            counts[f"wrong: {verdict.status}"] += 1
            assert verdict.status is not Status.VERIFIED, (number, asked.lean(), text)
    for what, count in counts.items():
        record_property(what, count)
