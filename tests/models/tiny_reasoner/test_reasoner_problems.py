"""The generator's gold solutions are right, its two sides never meet, and it draws the same from the same seed."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterator

import pytest
import sympy

from examples.problems import make_demo
from models.tiny_reasoner.problems.draw import DOMAINS, draw_distinct, draw_items
from models.tiny_reasoner.problems.item import Item, is_held_out
from verifiers.checker import Checkers
from verifiers.types import Kind, Problem, Status

MATH_DOMAINS = tuple(d for d in DOMAINS if d not in ("multiple_choice", "programs", "theorems"))


def some(seed: str, held_out: bool, count: int, domains: tuple[str, ...] = DOMAINS) -> list[Item]:
    return list(itertools.islice(draw_items(seed, held_out, domains), count))


def test_same_seed_same_items() -> None:
    assert some("a", False, 300) == some("a", False, 300)
    assert some("a", False, 300) != some("b", False, 300)
    assert draw_distinct("a", True, 5) == draw_distinct("a", True, 5)


def test_no_held_out_problem_can_be_trained_on() -> None:
    train, held_out = some("overlap", False, 6000), some("overlap", True, 3000)
    assert not any(item.held_out for item in train)
    assert all(item.held_out for item in held_out)
    assert not {item.key for item in train} & {item.key for item in held_out}
    assert not {item.prompt for item in train} & {item.prompt for item in held_out}


def test_rewording_keeps_the_side() -> None:
    """The wording is drawn apart from the content: over many draws each key keeps its side, whatever the prompt."""
    prompts: dict[str, set[str]] = {}
    for item in some("wording", False, 4000, ("quadratic_equations", "gcd_lcm", "modular_arithmetic")):
        prompts.setdefault(item.key, set()).add(item.prompt)
    assert sum(len(group) > 1 for group in prompts.values()) > 100
    assert not any(is_held_out(key) for key in prompts)


def test_operands_that_commute_share_a_key() -> None:
    keys: dict[tuple[int, ...], set[str]] = {}
    for item in some("commute", False, 20000, ("arithmetic",)):
        if found := re.fullmatch(r"Compute (\d+) [+] (\d+)\.", item.prompt):
            keys.setdefault(tuple(sorted(map(int, found.groups()))), set()).add(item.key)
    assert keys and all(len(group) == 1 for group in keys.values())


@pytest.mark.parametrize("domain", MATH_DOMAINS)
def test_math_gold_against_sympy(domain: str) -> None:
    """What the prompt asks, read again from its text and computed by sympy, equals the reference."""
    for item in some("gold", True, 120, (domain,)):
        expected = solve_again(item.prompt)
        assert expected is not None, item.prompt
        assert same(expected, item.reference["answer"]), (item.prompt, item.reference, expected)
        assert item.solution.endswith(f"\\boxed{{{item.reference['answer']}}}")


@pytest.mark.parametrize("domain", MATH_DOMAINS)
def test_every_equation_in_the_steps_holds(domain: str) -> None:
    """The sides without letters of each chain `a=b=c` of a worked solution are equal."""
    closed = re.compile(r"[-+*/^()\d]+")
    checked = 0
    for item in some("steps", True, 60, (domain,)):
        for line in re.split(r"\n|, ", item.solution):
            sides = [side for side in line.split(": ")[-1].split("=") if closed.fullmatch(side)]
            if len(sides) > 1:
                values = {sympy.sympify(side.replace("^", "**")) for side in sides}
                assert len(values) == 1, (item.prompt, line)
                checked += 1
    assert checked > 50


def test_gold_solutions_pass_the_checkers() -> None:
    """Math and choice through the product's own checkers; a changed answer does not pass."""
    with_checkers = Checkers()
    try:
        for item in some("checkers", True, 200, (*MATH_DOMAINS, "multiple_choice")):
            problem = item.problem()
            assert with_checkers.check_problem(problem) is None
            assert with_checkers.verify(problem, item.solution).status is Status.VERIFIED, item
        wrong = 0
        for item in some("checkers", True, 60, MATH_DOMAINS):
            text = re.sub(r"\d(?=\D*$)", lambda found: str((int(found[0]) + 1) % 10), item.solution)
            wrong += with_checkers.verify(item.problem(), text).status is Status.VERIFIED
        assert wrong == 0
    finally:
        with_checkers.close()


def test_choice_options_are_distinct_and_hold_the_answer() -> None:
    for item in some("options", True, 300, ("multiple_choice",)):
        options = item.reference["options"]
        assert len(set(options)) == 4
        assert f"{item.reference['answer']}) {options['ABCD'.index(item.reference['answer'])]}\n" in item.solution


def test_program_tests_come_from_the_sentence() -> None:
    """An independent reading of two sentence shapes agrees with the recorded results."""
    checked = 0
    for item in some("programs", True, 1500, ("programs",)):
        sentence = item.prompt.split(") ", 1)[1]
        for test in item.reference["tests"]:
            args = test["input"]
            if found := re.fullmatch(r"that returns (\d+) times n plus (\d+)\.", sentence):
                expected = int(found[1]) * args[0] + int(found[2])
            elif found := re.fullmatch(
                r"that returns the number of integers from 1 to n that are not divisible by (\d+)\.", sentence
            ):
                expected = args[0] - args[0] // int(found[1])
            else:
                continue
            assert test["output"] == expected
            checked += 1
    assert checked > 20


def test_lean_statement_is_in_the_prompt() -> None:
    for item in some("lean", True, 200, ("theorems",)):
        assert item.reference["statement"] in item.prompt
        assert item.reference["statement"].startswith(f"theorem {item.reference['name']} ")
        assert "$" not in item.prompt + item.solution


def test_demo_set_is_what_its_script_writes() -> None:
    problems = [Problem.from_json(json.loads(line)) for line in make_demo.PATH.read_text().splitlines()]
    assert problems == list(make_demo.demo_problems())
    assert len(problems) >= 200
    assert len({problem.id for problem in problems}) == len(problems)
    assert {problem.domain for problem in problems} == set(DOMAINS)
    assert {problem.kind for problem in problems} == set(Kind)
    assert all(problem.split == "held_out" for problem in problems)


def solve_again(prompt: str) -> object:
    """Reads a prompt without the generator's help: a value, a set of roots or a pair."""
    text = prompt.replace("^", "**")
    first = text.split("\n", 1)[0]
    numbers = [int(n) for n in re.findall(r"(?<![\w)])-?\d+", first)]
    if " gets " in text:
        return numbers[0] + numbers[1]
    if "gives away" in text:
        return numbers[0] - numbers[1]
    if "boxes with" in text or "times" in text:
        return numbers[0] * numbers[1]
    if "gcd(" in text or "greatest common" in text:
        return sympy.gcd(*read_two(text))
    if "lcm(" in text or "least common" in text:
        return sympy.lcm(*read_two(text))
    for solve in (solve_modular, solve_equations, solve_expression):
        if (value := solve(text)) is not None:
            return value
    return None


def read_two(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", text)][:2]


def solve_modular(text: str) -> object:
    if found := re.search(r"remainder when (\S+) is divided by (\d+)", text):
        return expression(found[1]) % int(found[2])
    if found := re.search(r"(?:Compute|remainder of) (.+) (?:mod|divided by) (\d+)\.", text):
        return expression(found[1]) % int(found[2])
    if found := re.search(r"inverse of (\d+) modulo (\d+)", text):
        return sympy.mod_inverse(int(found[1]), int(found[2]))
    if found := re.search(r"has (\d+)x = 1 mod (\d+)", text):
        return sympy.mod_inverse(int(found[1]), int(found[2]))
    return None


def solve_equations(text: str) -> object:
    x, y = sympy.symbols("x y")
    sides = re.findall(r"([-+*/()\w ]+?) = (-?[-+*\w ]+?)(?= and | for |,|\.|\?|$)", clean(text))
    sides = [(left.strip().removeprefix("and "), right) for left, right in sides]
    if " and " in text and len(sides) == 2:
        solution = sympy.solve([expression(a) - expression(b) for a, b in sides], [x, y])
        if "find x" in text or "is x" in text:
            return solution[x]
        if "find y" in text or "is y" in text:
            return solution[y]
        return (solution[x], solution[y])
    if len(sides) == 1 and ("roots" in text or "root of" in text or "solution" in text):
        roots = sorted(sympy.solve(expression(sides[0][0]), x))
        return roots[-1] if "larger" in text else roots[0] if "smaller" in text else set(roots)
    if len(sides) == 1 and re.match(r"Solve|Find [a-z] if", text):
        difference = expression(sides[0][0]) - expression(sides[0][1])
        (letter,) = difference.free_symbols
        (root,) = sympy.solve(difference, letter)
        return root
    return None


def solve_expression(text: str) -> object:
    x = sympy.Symbol("x")
    patterns = (
        (r"Let p\(x\) = (.+)\. Find p\((-?\d+)\)\.", lambda m: expression(m[1]).subs(x, int(m[2]))),
        (r"Evaluate (.+) at x = (-?\d+)\.", lambda m: expression(m[1]).subs(x, int(m[2]))),
        (r"Let f\(x\) = (.+)\. Find f'\((-?\d+)\)\.", lambda m: expression(m[1]).diff(x).subs(x, int(m[2]))),
        (r"Find the slope of (.+) at x = (-?\d+)\.", lambda m: expression(m[1]).diff(x).subs(x, int(m[2]))),
        (r"Find f'\(x\) for f\(x\) = (.+)\.", lambda m: expression(m[1]).diff(x)),
        (r"(?:Differentiate|Find d/dx of) (.+)\.", lambda m: expression(m[1]).diff(x)),
        (r"(?:Expand|Multiply out|Write) (.+?)(?: without brackets)?\.", lambda m: expression(m[1])),
        (
            r"(?:Compute|What is|Evaluate|Simplify) (.+?)(?: in lowest terms\.|\? Simplify\.|\.|\?)",
            lambda m: expression(m[1]),
        ),
    )
    for pattern, value in patterns:
        if found := re.fullmatch(pattern, text):
            return value(found)
    return None


def clean(text: str) -> str:
    for words in ("Solve for", "Find all roots of", "Solve", "Given", "If", "List all solutions.", "Find (x, y) with"):
        text = text.replace(words, "")
    text = re.sub(r"(?:Find|What is) (?:the )?\w+ (?:root|solution) of|Find [a-z] if|^ [a-z]:", "", text)
    return text.strip()


def expression(text: str) -> sympy.Expr:
    transformations = (*sympy.parsing.sympy_parser.standard_transformations,)
    implicit = sympy.parsing.sympy_parser.implicit_multiplication
    return sympy.expand(
        sympy.parsing.sympy_parser.parse_expr(text.strip(), transformations=(*transformations, implicit))
    )


def same(expected: object, answer: str) -> bool:
    if isinstance(expected, set):
        return expected == {sympy.sympify(part) for part in answer.split(",")}
    if isinstance(expected, tuple):
        return expected == tuple(sympy.sympify(part) for part in answer.strip("()").split(","))
    return sympy.simplify(expression(answer.replace("^", "**")) - expected) == 0


def test_reader_notices_a_wrong_reference() -> None:
    """The independent reader is no rubber stamp: with the answer changed, nearly nothing passes."""

    def spoiled() -> Iterator[bool]:
        for item in some("spoiled", True, 60, ("arithmetic", "fractions", "linear_equations", "derivatives")):
            numbers = list(re.finditer(r"\d+", item.reference["answer"]))
            found = random.Random(0).choice(numbers)
            answer = item.reference["answer"]
            yield same(
                solve_again(item.prompt), answer[: found.start()] + str(int(found[0]) + 1) + answer[found.end() :]
            )

    assert not any(spoiled())
