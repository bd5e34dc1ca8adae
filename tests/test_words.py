"""The rules for words that a machine can check (CONTRIBUTING.md), held in all docstrings and documents."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "cluster", "examples", "jobs", "models", "runstore", "verifiers", "workers")
_THINGS = "samples|tokens|verdicts|requests|checks|problems|rows|bytes|megabytes"
_TIMES = "seconds|milliseconds|microseconds|minutes|hours"
_RATES = rf"(?:{_THINGS}) an? (?:second|minute|hour|step)|(?:{_TIMES}) an? (?:sample|problem|token|check|step)"
_RATES += r"|(?:object|one|row|worker|process) an? (?:line|problem|sample|kind|node)"
RULES = {
    "a rate is `per`": re.compile(rf"\b(?:{_RATES})\b"),
    "`cannot` is one word": re.compile(r"\bcan not\b"),
}


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            for statement in block if isinstance(block, list) else ():
                value = getattr(statement, "value", None)
                if isinstance(statement, ast.Expr) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield statement.lineno, value.value


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstrings(folder: str) -> None:
    faults = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        for line, text in docstrings(path):
            place = f"{path.relative_to(ROOT)}:{line}"
            if re.match(r"\s*Of\b", text):
                faults.append(f"{place}: begins with `Of` instead of with what it is")
            faults += [f"{place}: {rule}" for rule, pattern in RULES.items() if pattern.search(text)]
    assert not faults, "\n".join(faults)


def test_documents() -> None:
    faults = []
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for line, text in enumerate(path.read_text().splitlines(), 1):
            faults += [f"{path.name}:{line}: {rule}" for rule, pattern in RULES.items() if pattern.search(text)]
    assert not faults, "\n".join(faults)
