"""Harmless rewrites of reference answers verify; mutations of them never do. The whole suite is `make metamorphic`."""

import random

import pytest

from benchmarks.metamorphic import suite
from benchmarks.metamorphic.evaluator import Sameness, same, same_family
from benchmarks.metamorphic.mutations import mutations
from benchmarks.metamorphic.references import references
from benchmarks.metamorphic.rewrites import rewrites

NUM_REFERENCES = 160
"""About a twentieth of the checks of the whole suite over a public file."""
MIN_SHARE = 0.999


@pytest.fixture(scope="module")
def report():
    return suite.run(references(NUM_REFERENCES, seed=7), num_workers=2)


def test_no_mutation_verifies(report):
    assert report.wrong == []


def test_harmless_rewrites_verify(report):
    assert report.share_of_rewrites() >= MIN_SHARE, report.refused[:20]


def test_references_verify_against_themselves(report):
    failed = {name: [check.reference for check in checks] for name, checks in report.not_itself.items()}
    assert sum(map(len, failed.values())) <= 1, failed
    assert sum(report.num_references.values()) == NUM_REFERENCES


def test_every_kind_was_tried_often_enough(report):
    """A generator that makes nothing proves nothing."""
    tried = {kind: counts.total() for (_, kind), counts in report.statuses.items()}
    assert len(tried) > 60
    assert sum(tried.values()) > 40 * NUM_REFERENCES
    assert {"digit", "sign", "exponent", "bracket", "relation", "swapped items", "dropped item", "unit"} <= set(tried)


def test_the_suite_sees_a_checker_that_accepts_everything(monkeypatch):
    accept_all = type("Checker", (), {"verify": lambda *_: VERIFIED, "close": lambda self: None})
    monkeypatch.setattr(suite, "MathChecker", lambda num_workers: accept_all())
    report = suite.run(references(10), num_workers=1)
    assert len(report.wrong) > 300
    assert not report.refused


def test_the_same_seed_makes_the_same_suite():
    reference = r"\left(\frac{3}{4}, 2\sqrt{5}\right)"
    for make in (rewrites, mutations):
        assert list(make(reference, random.Random(1))) == list(make(reference, random.Random(1)))
    assert references(50, seed=3) == references(50, seed=3)
    assert len({row["answer"] for row in references(300)}) == 300


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        ("6/9", "2/3", Sameness.EQUAL),
        ("(-2)^2", "(2)^2", Sameness.EQUAL),
        (r"\frac{1}{2}+\sqrt{8}", r"\frac12 + 2\sqrt2", Sameness.EQUAL),
        ("x+y=2", "2x+2y=4", Sameness.EQUAL),
        (r"\$3.50", r"\$3.5", Sameness.EQUAL),
        (r"0.\overline{11}", r"0.\overline{1}", Sameness.EQUAL),
        ("5", "6", Sameness.DIFFERENT),
        ("x_1", "x_2", Sameness.DIFFERENT),
        ("(1,2)", "(2,1)", Sameness.DIFFERENT),
        (r"(2,\infty)", r"[2,\infty)", Sameness.DIFFERENT),
        (r"\frac{1}{2006!}", r"\frac{1}{2004!}", Sameness.UNKNOWN),
        (r"\text{even}", r"\text{odd}", Sameness.UNKNOWN),
        ("HTH", "HHT", Sameness.UNKNOWN),
        ("C_{13}^{4}", "C_{13}^{9}", Sameness.EQUAL),
        ("C_{13}^{4}", "C_{13}^{8}", Sameness.DIFFERENT),
        (r"e=\frac{3}{77}", r"e=\frac{4}{77}", Sameness.DIFFERENT),
        ("2=3", "2=4", Sameness.DIFFERENT),
        ("e=0.5", r"e=\frac12", Sameness.EQUAL),
    ],
)
def test_the_independent_evaluator(a, b, wanted):
    assert same(a, b) is wanted


def test_the_evaluator_knows_progressions():
    assert same_family(r"\frac{k\pi}{6}, k \in \mathbb{Z}", r"-\frac{k\pi}{6}, k \in \mathbb{Z}")
    assert not same_family(r"\frac{k\pi}{6}, k \in \mathbb{Z}", r"\frac{k\pi}{3}, k \in \mathbb{Z}")
    assert same_family(r"x \equiv 3 \pmod{5}", r"x \equiv 8 \pmod{5}")
    assert not same_family(r"x \equiv 3 \pmod{5}", r"y \equiv 3 \pmod{5}")


VERIFIED = suite.Verdict(suite.Status.VERIFIED, "", {}, "stand-in", "1", 0.0, suite.LIMITS)
