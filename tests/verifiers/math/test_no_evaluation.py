"""No module that touches model text may evaluate it: `eval`, `exec`, `compile`, sympy's string parsers, pickle."""

import ast
from pathlib import Path

VERIFIERS = Path(__file__).parents[3] / "verifiers"
FOLDERS = ("math", "choice", "processes")
FILES = [*VERIFIERS.glob("*.py"), *(path for folder in FOLDERS for path in (VERIFIERS / folder).rglob("*.py"))]
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "sympify",
    "S",
    "parse_expr",
    "parse_latex",
    "lambdify",
    "literal_eval",
}
FORBIDDEN_MODULES = {
    "sympy",
    "pickle",
    "marshal",
    "shelve",
    "code",
    "codeop",
    "ast",
    "latex2sympy2_extended",
    "math_verify",
    "signal",
}
ALLOWED = {
    ("processes/pool.py", "signal"),
    ("processes/fork_server.py", "signal"),
    # Built from trees that our own reader made, in a process of its own; its string parsers stay forbidden.
    ("math/symbolic/build.py", "sympy"),
    ("math/symbolic/proof.py", "sympy"),
    ("math/symbolic/proof.py", "sympy.calculus.util"),
}


def violations(path):
    tree = ast.parse(path.read_text())
    place = path.relative_to(VERIFIERS).as_posix() if path.is_relative_to(VERIFIERS) else path.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else None
            if name in FORBIDDEN_CALLS or (
                isinstance(node.func, ast.Attribute) and node.func.attr in FORBIDDEN_CALLS - {"compile"}
            ):
                yield place, ast.unparse(node.func)
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for module in names:
            if module.split(".")[0] in FORBIDDEN_MODULES and (place, module) not in ALLOWED:
                yield place, f"import {module}"


def test_nothing_evaluates_text():
    read = {path.relative_to(VERIFIERS).as_posix() for path in FILES}
    assert read >= {"thoughts.py", "math/reading/parser.py", "math/comparing/compare.py", "processes/pool.py"}
    assert [found for path in FILES for found in violations(path)] == []


def test_the_lint_sees_what_it_should(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("import sympy\nfrom sympy.parsing import sympy_parser\neval('1')\nx.parse_expr('1')\n")
    assert len(list(violations(bad))) == 4
