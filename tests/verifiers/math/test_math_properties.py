"""Properties over generated answers: a value verifies against its re-writings, never against a mutation of it."""

import contextlib
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.math.judge import equivalent
from verifiers.math.reading.expression import MAX_DEPTH, Node, UnreadableError
from verifiers.math.reading.parser import read
from verifiers.types import Status

SETTINGS = settings(max_examples=25, deadline=None)
INTEGERS = st.integers(-(10**9), 10**9)
SMALL = st.integers(-9, 9)
POLYNOMIALS = st.lists(SMALL, min_size=2, max_size=5).filter(lambda cs: any(cs[1:]))


def status(gold, answer):
    return equivalent(gold, answer).status


def polynomial(coefficients, order=1, name="x"):
    """Terms in ascending or descending order, in LaTeX or plain text."""
    terms = [f"({c}){name}^{{{power}}}" for power, c in enumerate(coefficients)][::order]
    return "+".join(terms)


def horner(coefficients):
    text = f"({coefficients[-1]})"
    for c in reversed(coefficients[:-1]):
        text = f"({text}*x+({c}))"
    return text


def grouped(n, separator):
    return f"{n:,}".replace(",", separator)


@SETTINGS
@given(INTEGERS)
def test_integers_in_every_notation(n):
    for text in (
        str(n),
        grouped(n, ","),
        grouped(n, r"\,"),
        grouped(n, "{,}"),
        f"${n}$",
        f"{n}.0",
        f"\\frac{{{2 * n}}}{{2}}",
    ):
        assert status(str(n), text) is Status.VERIFIED, text


@SETTINGS
@given(INTEGERS, st.data())
def test_a_changed_digit_or_sign_never_verifies(n, data):
    digits = list(str(abs(n)))
    place = data.draw(st.integers(0, len(digits) - 1))
    digits[place] = data.draw(st.sampled_from([d for d in "0123456789" if d != digits[place]]))
    mutated = int("".join(digits)) * (-1 if n < 0 else 1)
    if mutated != n:
        assert status(str(n), str(mutated)) is Status.REFUTED
    if n:
        assert status(str(n), str(-n)) is Status.REFUTED
    assert status(str(n), str(10 * n + 1)) is Status.REFUTED


@SETTINGS
@given(INTEGERS, st.integers(1, 10**6))
def test_fractions(p, q):
    value = Fraction(p, q)
    gold = f"\\frac{{{p}}}{{{q}}}"
    for text in (f"{value.numerator}/{value.denominator}", f"\\dfrac{{{3 * p}}}{{{3 * q}}}", f"{p}/{q}"):
        assert status(gold, text) is Status.VERIFIED
    assert status(gold, f"\\frac{{{p + 1}}}{{{q}}}") is Status.REFUTED
    if p:
        assert status(gold, f"\\frac{{{p}}}{{{q + 1}}}") is Status.REFUTED


@SETTINGS
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 10**6 - 1))
def test_decimals_and_repetends(whole, places, tail):
    digits = str(tail)[:places]
    exact = (
        Fraction(whole) + Fraction(int(digits), 10 ** len(digits) - 1) if set(digits) != {"9"} else Fraction(whole + 1)
    )
    assert status(f"{exact.numerator}/{exact.denominator}", f"{whole}.\\overline{{{digits}}}") is Status.VERIFIED
    truncated = f"{whole}.{digits * 3}"
    assert status(f"{exact.numerator}/{exact.denominator}", truncated) is (
        Status.VERIFIED if int(digits) == 0 else Status.REFUTED
    )


@SETTINGS
@given(POLYNOMIALS)
def test_polynomials_reordered_nested_and_mutated(coefficients):
    gold = polynomial(coefficients)
    assert status(gold, polynomial(coefficients, order=-1)) is Status.VERIFIED
    assert status(gold, horner(coefficients)) is Status.VERIFIED
    mutated = [coefficients[0] + 1, *coefficients[1:]]
    assert status(gold, polynomial(mutated)) is Status.REFUTED
    shifted = [0, *coefficients]
    assert status(gold, polynomial(shifted)) is Status.REFUTED
    assert status(gold, polynomial(coefficients, name="y")) is Status.REFUTED


@SETTINGS
@given(SMALL, SMALL, SMALL, SMALL)
def test_products_and_their_expansion(a, b, c, d):
    gold = f"(({a})x+({b}))(({c})x+({d}))"
    expanded = f"({a * c})x^2+({a * d + b * c})x+({b * d})"
    assert status(gold, expanded) is Status.VERIFIED
    assert status(gold, expanded + "+1") is Status.REFUTED


@SETTINGS
@given(st.integers(2, 60), st.integers(2, 60), st.integers(1, 20))
def test_radicals(a, b, c):
    gold = f"\\sqrt{{{a}}}+\\sqrt{{{b}}}"
    squared = f"\\sqrt{{{a + b}+2\\sqrt{{{a * b}}}}}"
    assert status(gold, squared) is Status.VERIFIED
    assert status(gold, f"\\sqrt{{{b}}}+\\sqrt{{{a}}}") is Status.VERIFIED
    assert status(f"{c}\\sqrt{{{a}}}", f"\\sqrt{{{c * c * a}}}") is Status.VERIFIED
    assert status(gold, f"\\sqrt{{{a + b}}}") is Status.REFUTED
    assert status(gold, f"\\sqrt{{{a}}}+\\sqrt{{{b + 1}}}") is Status.REFUTED


@SETTINGS
@given(st.integers(-20, 20), st.integers(1, 24))
def test_angles_and_roots_of_unity(p, q):
    angle = f"\\frac{{{p}\\pi}}{{{q}}}"
    assert status(f"e^{{i{angle}}}", f"\\cos{angle}+i\\sin{angle}") is Status.VERIFIED
    assert status(f"\\sin^2{angle}+\\cos^2{angle}", "1") is Status.VERIFIED
    assert status(f"\\cos{angle}", f"\\cos({angle}+2\\pi)") is Status.VERIFIED


@SETTINGS
@given(st.lists(INTEGERS, min_size=2, max_size=5, unique=True), st.randoms())
def test_sets_and_tuples(items, random):
    shuffled = list(items)
    random.shuffle(shuffled)
    text, other = (", ".join(map(str, order)) for order in (items, shuffled))
    assert status(f"\\{{{text}\\}}", f"\\{{{other}\\}}") is Status.VERIFIED
    assert status(text, other) is Status.VERIFIED
    assert status(f"({text})", f"({other})") is (Status.VERIFIED if items == shuffled else Status.REFUTED)
    assert status(f"\\{{{text}\\}}", f"\\{{{text}, {max(items) + 1}\\}}") is Status.REFUTED


@SETTINGS
@given(st.integers(-50, 50), st.integers(1, 50), st.booleans(), st.booleans())
def test_intervals_and_inequalities(low, width, left_closed, right_closed):
    high = low + width
    interval = f"{'[' if left_closed else '('}{low},{high}{']' if right_closed else ')'}"
    left, right = ("\\le" if closed else "<" for closed in (left_closed, right_closed))
    chain = f"{low} {left} x {right} {high}"
    assert status(interval, chain) is Status.VERIFIED
    other = f"{'(' if left_closed else '['}{low},{high}{']' if right_closed else ')'}"
    assert status(interval, other) is Status.REFUTED
    assert status(interval, f"{low} {left} x {right} {high + 1}") is Status.REFUTED


@settings(max_examples=120, deadline=None)
@given(
    st.text(
        alphabet="0123456789xyzie+-*/^_=<>()[]{}|,.;:!'\\ $%&\n\u00bd\u2212\u03c0\u221e" + "fracsqtinlog", max_size=60
    )
)
def test_the_reader_is_total(text):
    try:
        node = read(text)
    except UnreadableError:
        return
    assert isinstance(node, Node)
    assert equivalent("1", text).status in set(Status)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_the_reader_is_total_over_unicode(text):
    with contextlib.suppress(UnreadableError):
        read(text)


def test_depth_is_capped_where_it_says():
    read("(" * (MAX_DEPTH // 4) + "1" + ")" * (MAX_DEPTH // 4))
    for opening, closing in (
        ("(", ")"),
        ("{", "}"),
        ("\\sqrt{", "}"),
        ("\\frac{1}{", "}"),
        ("2^{", "}"),
        ("|", "|"),
        ("-", ""),
    ):
        try:
            read(opening * 600 + "1" + closing * 600)
        except UnreadableError:
            continue
        raise AssertionError(opening)
