"""Every table of the tree that is keyed by status knows every status.

The tables are found by reading the sources, so that a new one cannot be forgotten: collections and classes of Python
files, colours of style sheets, lists in documents, and the service's OpenAPI schema. A collection may name judged
statuses only, as a format that trains on proofs and refutations does. One that names statuses of samples that nothing
is known of has to name all of these, and one that mixes three or more of both kinds has to be complete.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.export.outcomes import OUTCOMES
from jobs.report.statistics import STATUSES
from jobs.service.app import build_app
from jobs.service.gateway import Gateway
from jobs.service.settings import check_service_config
from jobs.service.verifying import LocalVerifiers
from jobs.solve.progress import STATUS_ORDER, STATUS_STYLE
from runstore.schema import PROBLEM_SCHEMA
from verifiers.checker import Checkers
from verifiers.types import Status
from workers.sampling.problem_state import OUTCOME_OF_STATUS, SampleOutcome

ROOT = Path(__file__).resolve().parents[1]
ALL = frozenset(map(str, Status))
JUDGED = frozenset({"verified", "refuted", "malformed"})
NOT_JUDGED = ALL - JUDGED
CHECKERS = ("verifiers/math/", "verifiers/code/", "verifiers/lean/", "verifiers/choice/")
"""What a checker says of texts that it judges. Texts without an answer key do not come so far."""
ON_PURPOSE = {
    ("workers/scheduling/ledger.py", frozenset({"refuted", "malformed", "undecided"})): "what a repair round answers",
    ("jobs/nightly/history.py", frozenset({"verified", "malformed", "undecided", "error"})): (
        "a problem without an answer key has no outcome of a night"
    ),
}
"""(file, the statuses named) → why this table is no table of all statuses."""


def status_of(node: ast.AST | None) -> str:
    """The status that an expression names: `"verified"`, `"num_verified"`, `Status.VERIFIED`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        name = re.sub(r"^(?:num|status)_", "", node.value)
    elif isinstance(node, ast.Attribute) and node.attr.isupper():
        name = node.attr.lower()
    elif isinstance(node, ast.Attribute):
        return status_of(node.value) if node.attr == "value" else ""
    elif isinstance(node, ast.Call):
        return status_of(node.args[0]) if node.args else ""
    elif isinstance(node, ast.Assign):
        return status_of(ast.Constant(getattr(node.targets[0], "id", "").lower()))
    elif isinstance(node, ast.AnnAssign):
        return status_of(ast.Constant(getattr(node.target, "id", "")))
    else:
        return ""
    return name if name in ALL else ""


def tables_of(source: str) -> Iterator[tuple[int, frozenset[str]]]:
    """(line, statuses named) of every collection and class body of a Python source."""
    for node in ast.walk(ast.parse(source)):
        members: list[Any] = []
        if isinstance(node, ast.Dict):
            members = node.keys
        elif isinstance(node, ast.Tuple | ast.List | ast.Set):
            members = node.elts
        elif isinstance(node, ast.ClassDef):
            members = node.body
        if named := frozenset(filter(None, map(status_of, members))):
            yield getattr(node, "lineno", 0), named


def missing(named: frozenset[str]) -> frozenset[str]:
    """The statuses that a table lacks; none where it may be as it is."""
    if len(named) < 2 or named <= JUDGED:
        return frozenset()
    if named <= NOT_JUDGED:
        return NOT_JUDGED - named
    return ALL - named if len(named) > 2 else frozenset()


def sources(*suffixes: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name.endswith(suffixes) and not name.startswith("tests/")]


def test_every_collection_of_statuses_is_complete() -> None:
    faults, unused, seen = [], set(ON_PURPOSE), 0
    for path in sources(".py"):
        name = str(path.relative_to(ROOT))
        if name.startswith(CHECKERS):
            continue
        for line, named in tables_of(path.read_text()):
            seen += len(named) > 1
            if (name, named) in ON_PURPOSE:
                unused.discard((name, named))
            elif lacking := missing(named):
                faults.append(f"{name}:{line}: has {sorted(named)} and lacks {sorted(lacking)}")
    assert not faults
    assert not unused, "these exceptions excuse nothing"
    assert seen > 10, "the search finds the tables that are there"


@pytest.mark.parametrize(
    ("source", "lacking"),
    [
        ('x = {"verified": 1, "refuted": 0, "malformed": 0, "undecided": None, "error": None}', {"unchecked"}),
        ('s: Literal["", "verified", "refuted", "malformed", "undecided", "error"]', {"unchecked"}),
        ("x = (Status.UNDECIDED, Status.ERROR)", {"unchecked"}),
        (
            "x = [pa.field(f'num_{n}') for n in ('verified', 'refuted', 'error')]",
            ALL - {"verified", "refuted", "error"},
        ),
        (
            "x = [pa.field('num_verified'), pa.field('num_refuted'), pa.field('num_error')]",
            ALL - {"verified", "refuted", "error"},
        ),
        ("class Fate(Enum):\n    UNDECIDED = 1\n    ERROR = 2", {"unchecked"}),
        (
            "class Row:\n    num_verified: int\n    num_refuted: int\n    num_error: int",
            ALL - {"verified", "refuted", "error"},
        ),
        ('x = ("verified", "refuted")', set()),
        ("x = {Status.VERIFIED: 1, **others}", set()),
        ("x = tuple(Status)", set()),
    ],
)
def test_an_incomplete_table_would_be_found(source: str, lacking: set[str]) -> None:
    found = [lack for _, named in tables_of(source) if (lack := missing(named))]
    assert found == ([frozenset(lacking)] if lacking else [])


def test_every_style_sheet_has_a_colour_for_every_status() -> None:
    """A variable in the light and in the dark scheme, and a class."""
    sheets = [path for path in sources(".css", ".html") if re.search(r"--(?:verified|undecided)\b", path.read_text())]
    assert sheets
    for path in sheets:
        text = path.read_text()
        schemes = text.count("--verified:")
        for status in ALL:
            assert text.count(f"--{status}:") == schemes, f"{path.name}: --{status}"
            assert re.search(rf"\.{status} \{{ --c: var\(--{status}\)", text), f"{path.name}: .{status}"


def test_every_document_that_lists_the_statuses_lists_all() -> None:
    for path in sources(".md"):
        if path.parent.name == "decisions" or path.name in ("log.md", "CHANGELOG.md"):
            continue  # these tell of what was decided or measured at some time
        for block in re.split(r"\n\s*\n", path.read_text()):
            named = frozenset(re.findall(r"[`*\"](\w+)[`*\"]", block)) & ALL
            assert len(named) < len(ALL) - 1 or named == ALL, f"{path.name} lacks {sorted(ALL - named)}: {block[:200]}"


def enums_of(schema: Any) -> Iterator[frozenset[str]]:
    if isinstance(schema, dict):
        if isinstance(schema.get("enum"), list):
            yield frozenset(map(str, schema["enum"])) & ALL
        for inner in schema.values():
            yield from enums_of(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from enums_of(inner)


def test_the_services_schema_names_every_status() -> None:
    checkers = Checkers()
    app = build_app(Gateway(check_service_config({}, "test"), LocalVerifiers(checkers, 1)))
    named = [found for found in enums_of(app.openapi()) if found]
    assert len(named) >= 2 and set(named) == {ALL}
    checkers.close()


def test_the_tables_that_are_made_from_the_statuses_have_them_all() -> None:
    """Those that the search above cannot read, since they name no status."""
    assert set(STATUSES) == set(STATUS_ORDER) == set(STATUS_STYLE) == ALL
    assert {name.removeprefix("num_") for name in PROBLEM_SCHEMA.names if name.startswith("num_")} >= ALL
    assert {status for status in OUTCOME_OF_STATUS if status} == ALL
    assert {status.upper() for status in ALL} <= set(SampleOutcome.__members__)
    assert {f"status_{status}" for status in ALL} <= set(OUTCOMES)
