"""What is declared about the distribution is what the tree holds."""

from __future__ import annotations

import ast
import fnmatch
import re
import subprocess
import tomllib
from pathlib import Path

from runstore.code_revision import PACKAGES

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MODULES = {"python-flint": "flint", "pyyaml": "yaml"}
"""The module of a distribution that is not named after it."""


def test_our_packages_are_named_alike_everywhere() -> None:
    found = [pattern.removesuffix("*") for pattern in PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]]
    copied = re.findall(r"^COPY (\w+) \1$", (ROOT / "cluster" / "manifests" / "Dockerfile").read_text(), re.MULTILINE)
    linted = PYPROJECT["tool"]["importlinter"]["root_packages"]
    typed = PYPROJECT["tool"]["mypy"]["packages"]
    with_init = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks"}
    assert sorted(PACKAGES) == sorted(found) == sorted(linted) == sorted(typed) == sorted(with_init)
    assert set(PACKAGES) <= set(copied)


def test_dependencies_are_what_the_product_imports() -> None:
    imported = set()
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import):
                    imported |= {name.name.partition(".")[0] for name in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    imported.add(node.module.partition(".")[0])
    names = [re.split(r"[\[<>=]", line)[0].lower() for line in PYPROJECT["project"]["dependencies"]]
    assert [name for name in names if MODULES.get(name, name.replace("-", "_")) not in imported] == []


def test_every_file_of_a_package_is_in_a_wheel() -> None:
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["*"]
    tracked = subprocess.check_output(["git", "ls-files", *PACKAGES], cwd=ROOT, text=True).split()
    others = [path for path in tracked if not path.endswith((".py", ".dockerignore"))]
    assert others
    assert [path for path in others if not any(fnmatch.fnmatch(Path(path).name, each) for each in patterns)] == []
    # The fonts and pictures of a page are files like any other.
    assert {"*.woff2", "*.svg", "*.png"} <= set(patterns)


def readme_tree() -> set[str]:
    """Paths that the README's tree names. A name further right on a line lies beside the first one or inside it."""
    block = (ROOT / "README.md").read_text().split("## The tree")[1].split("```")[1]
    named: set[str] = set()
    parents: list[str] = []
    for line in filter(None, block.splitlines()):
        depth = (len(line) - len(line.lstrip())) // 2
        first, *others = re.findall(r"\w+/(?=[\s,;]|$)|\w+\.py\b", line)
        parents = [*parents[:depth], first]
        above, inside = "".join(parents[:-1]), "".join(parents)
        named.add(inside)
        named |= {above + name if (ROOT / above / name).exists() else inside + name for name in others}
    return named


def test_the_readmes_tree_is_the_tree() -> None:
    named = readme_tree()
    assert [name for name in named if not (ROOT / name).exists()] == []
    tracked = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    folders = {f"{path.split('/')[0]}/" for path in tracked if "/" in path and not path.startswith(".")}
    folders |= {
        f"{package}/{path.split('/')[1]}/"
        for package in ("verifiers", "workers", "jobs")
        for path in tracked
        if path.startswith(f"{package}/") and path.count("/") > 1
    }
    assert sorted(folders - named) == []
