"""The code domain: functions of one or two integers, described in a sentence and tested by arguments and results.

A task is put together from parts (which integers, which of them count, what to do with them), so that there are many
thousand distinct ones. Tests come from running the gold program, which is ours, here at drawing time.
"""

from __future__ import annotations

from random import Random

from models.tiny_reasoner.problems.item import Item
from verifiers.types import Kind

_NAMES = ("f", "g", "h", "solve", "compute", "count", "total", "run", "value", "answer", "calc", "result")


def draw_program(rng: Random) -> Item:
    name = rng.choice(_NAMES)
    form = rng.choice((_draw_scan, _draw_scan, _draw_scan, _draw_digits, _draw_formula, _draw_branch, _draw_loop))
    arguments, sentence, body = form(rng)
    source = f"def {name}({arguments}):\n" + "".join(f"    {line}\n" for line in body)
    prompt = f"Write a Python function {name}({arguments}) {sentence}"
    ask = rng.choice((f"{prompt}", f"{prompt}"))
    return Item(
        domain="programs",
        kind=Kind.CODE,
        key=f"program {arguments} {sentence}",
        prompt=ask,
        reference={"mode": "function", "entry_point": name, "tests": _tests(rng, name, source)},
        solution=f"```python\n{source}```",
    )


Task = tuple[str, str, list[str]]
"""Arguments, the sentence that follows them in the prompt, the body's lines."""


def _condition(rng: Random, v: str) -> tuple[str, str]:
    """A property of an integer in words and in Python."""
    k = rng.randint(2, 12)
    r = rng.randrange(k)
    return rng.choice(
        (
            ("even", f"{v} % 2 == 0"),
            ("odd", f"{v} % 2 == 1"),
            (f"divisible by {k}", f"{v} % {k} == 0"),
            (f"not divisible by {k}", f"{v} % {k} != 0"),
            (f"equal to {r} modulo {k}", f"{v} % {k} == {r}"),
            (f"greater than {k}", f"{v} > {k}"),
            (f"less than {k + 5}", f"{v} < {k + 5}"),
        )
    )


def _draw_scan(rng: Random) -> Task:
    """Count, sum or sum of squares over a range, maybe with a factor and an offset."""
    words, test = _condition(rng, "i")
    arguments, place, span = rng.choice(
        (
            ("n", "from 1 to n", "range(1, n + 1)"),
            ("n", "from 0 to n", "range(n + 1)"),
            ("n", "less than n", "range(n)"),
            ("a, b", "from a to b", "range(a, b + 1)"),
        )
    )
    what, each = rng.choice(
        (
            ("number of integers", "1"),
            ("sum of the integers", "i"),
            ("sum of the squares of the integers", "i * i"),
            ("sum of the cubes of the integers", "i ** 3"),
        )
    )
    if place == "less than n":
        place = "from 0 to n - 1"
    expression = f"sum({each} for i in {span} if {test})"
    sentence = f"that returns the {what} {place} that are {words}"
    change = rng.choice(("", "", "plus", "times", "minus"))
    k = rng.randint(2, 9)
    if change:
        sentence += f", {change} {k}"
        expression += {"plus": f" + {k}", "times": f" * {k}", "minus": f" - {k}"}[change]
    return arguments, f"{sentence}.", [f"return {expression}"]


def _draw_digits(rng: Random) -> Task:
    words, test = _condition(rng, "d")
    each = rng.choice((("sum", "d"), ("number", "1"), ("sum of the squares", "d * d")))
    digits = "map(int, str(n))"
    if rng.random() < 0.3:
        k = rng.randint(2, 60)
        return (
            "n",
            f"that returns the {each[0]} of the digits of n + {k}.",
            [f"return sum({each[1]} for d in map(int, str(n + {k})))"],
        )
    sentence = f"that returns the {each[0]} of the digits of n that are {words}."
    return "n", sentence, [f"return sum({each[1]} for d in {digits} if {test})"]


def _draw_formula(rng: Random) -> Task:
    a, b, m = rng.randint(2, 20), rng.randint(1, 30), rng.randint(3, 30)
    sentence, expression, arguments = rng.choice(
        (
            (f"{a} times n plus {b}", f"{a} * n + {b}", "n"),
            (f"{a} times n minus {b}", f"{a} * n - {b}", "n"),
            (f"n squared plus {a} times n", f"n * n + {a} * n", "n"),
            (f"the remainder of {a} times n divided by {m}", f"{a} * n % {m}", "n"),
            (f"the remainder of n to the power {a} divided by {m}", f"pow(n, {a}, {m})", "n"),
            (f"{a} times a plus {b} times b", f"{a} * a + {b} * b", "a, b"),
            (f"{a} times a minus {b} times b", f"{a} * a - {b} * b", "a, b"),
            (f"the product of a and b plus {b}", f"a * b + {b}", "a, b"),
            (f"the remainder of a times b divided by {m}", f"a * b % {m}", "a, b"),
            (f"the larger of a and {a} times b", f"max(a, {a} * b)", "a, b"),
            (f"the smaller of a and b plus {b}", f"min(a, b + {b})", "a, b"),
            (f"the distance between a and {a} times b", f"abs(a - {a} * b)", "a, b"),
        )
    )
    return arguments, f"that returns {sentence}.", [f"return {expression}"]


def _draw_branch(rng: Random) -> Task:
    words, test = _condition(rng, "n")
    a, b = rng.randint(2, 12), rng.randint(1, 20)
    (yes_words, yes), (no_words, no) = rng.sample(
        (
            (f"n + {b}", f"n + {b}"),
            (f"n - {b}", f"n - {b}"),
            (f"{a} * n", f"{a} * n"),
            ("n squared", "n * n"),
            ("0", "0"),
            ("n", "n"),
        ),
        2,
    )
    sentence = f"that returns {yes_words} if n is {words} and {no_words} otherwise."
    return "n", sentence, [f"if {test}:", f"    return {yes}", f"return {no}"]


def _draw_loop(rng: Random) -> Task:
    k, b = rng.randint(2, 9), rng.randint(1, 9)
    form = rng.choice(("divide", "grow", "recurrence", "divisors"))
    if form == "divide":
        k = rng.randint(2, 12)
        sentence = f"that returns how many times n can be divided by {k} without remainder."
        return "n", sentence, ["c = 0", f"while n % {k} == 0:", f"    n //= {k}", "    c += 1", "return c"]
    if form == "grow":
        sentence = f"that starts with {b}, multiplies by {k} n times and returns the result."
        return "n", sentence, [f"return {b} * {k} ** n"]
    if form == "recurrence":
        c = rng.randint(0, 9)
        sentence = f"that starts with {b} and n times replaces x by {k} * x + {c}, and returns x."
        return "n", sentence, [f"x = {b}", "for i in range(n):", f"    x = {k} * x + {c}", "return x"]
    words, test = _condition(rng, "i")
    what, each = rng.choice((("number", "1"), ("sum", "i")))
    sentence = f"that returns the {what} of divisors of n that are {words}."
    return "n", sentence, [f"return sum({each} for i in range(1, n + 1) if n % i == 0 and {test})"]


def _tests(rng: Random, name: str, source: str) -> list[dict[str, object]]:
    """Six or more tests of distinct arguments, small ones first, with the gold program's results."""
    scope: dict[str, object] = {}
    exec(compile(source, "<gold>", "exec"), scope)  # noqa: S102  (composed above, from our own parts)
    function = scope[name]
    assert callable(function)
    inputs: list[list[int]]
    if "(n)" in source.split("\n", 1)[0]:
        if "** n" in source or "range(n):" in source:
            inputs = [[n] for n in (1, 2, 3, 4, 5, rng.randint(6, 9))]
        else:
            inputs = [[n] for n in (1, 2, 3, 10, 12, rng.randint(20, 60), rng.randint(61, 200), 360)]
    else:
        inputs = [[1, 1], [1, 10], [3, 7], [2, 30], [rng.randint(5, 20), rng.randint(21, 60)], [12, 12]]
    return [{"input": args, "output": function(*args)} for args in inputs]
