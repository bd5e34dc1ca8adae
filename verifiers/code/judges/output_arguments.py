"""Whether a verdict holds although the candidate has changed arguments that the test program goes on using.

Plain execution lets a call choose what a test computes from an argument afterwards: `assert total(x) == sum(x)` is
passed by emptying x and returning 0. So the test runs twice more, once as it is and once with the arguments left as
they were, and each assert has to compare the same values in both. It may differ on one side only where the test looks
at the argument itself: `assert nums[:k] == [1, 2]` compares what the call has left with something that the candidate
has no part in.
"""

from __future__ import annotations

import ast
from typing import Any

from verifiers.code.judges import rewriting


def holds(test: ast.Module, source: str, candidate: set[str], traces: tuple[Any, Any]) -> bool:
    """`traces`: what the asserts of the test compared, as it is and with unchanged arguments."""
    as_it_is, unchanged = traces
    if not as_it_is or [entry[0] for entry in as_it_is] != [entry[0] for entry in unchanged]:
        return False
    _, checks = rewriting.rewrite(source)
    tainted = derived(test, candidate)
    for (number, *values), (_, *others) in zip(as_it_is, unchanged, strict=True):
        same = [bool(a) and a == b for a, b in zip(values, others, strict=True)]
        if all(same):
            continue
        left, right = checks[number]
        if right is None or not any(same):
            return False
        fixed, moved = (left, right) if same[0] else (right, left)
        if uses(fixed, tainted) or uses(_without_bounds(moved), tainted):
            return False
    return True


def uses(node: ast.AST, names: set[str]) -> bool:
    return any(isinstance(part, ast.Name) and part.id in names for part in ast.walk(node))


class _Bounds(ast.NodeTransformer):
    def visit_Slice(self, node: ast.Slice) -> ast.AST:
        return ast.Slice()


def _without_bounds(node: ast.expr) -> ast.AST:
    """`nums[:k]` without k, which may be the candidate's answer: how much of its argument it has filled."""
    return _Bounds().visit(ast.parse(ast.unparse(node), mode="eval"))  # type: ignore[no-any-return]


def derived(test: ast.Module, candidate: set[str], parameters: set[str] | None = None) -> set[str]:
    """Names of the test that may hold something the candidate has returned, and functions that may use it.

    Errs towards more: every parameter of a function of the test's counts, unless `parameters` says which do.
    """
    if parameters is None:
        parameters = {node.arg for node in ast.walk(test) if isinstance(node, ast.arg)}
    found = candidate | parameters
    while True:
        before = len(found)
        for node in ast.walk(test):
            for target, value in _bindings(node):
                if uses(value, found):
                    found |= {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
            if isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef) and uses(node, found):
                found |= {getattr(node, "name", "")} - {""}
        if len(found) == before:
            return found


def _bindings(node: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """Pairs of a target and what it is bound to."""
    if isinstance(node, ast.Assign):
        return [(target, node.value) for target in node.targets]
    if isinstance(node, ast.AugAssign | ast.NamedExpr) or (isinstance(node, ast.AnnAssign) and node.value):
        return [(node.target, node.value)] if node.value else []
    if isinstance(node, ast.For | ast.comprehension):
        return [(node.target, node.iter)]
    if isinstance(node, ast.withitem) and node.optional_vars:
        return [(node.optional_vars, node.context_expr)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):  # results.append(f(x))
        return [(node.func.value, argument) for argument in node.args]
    return []
