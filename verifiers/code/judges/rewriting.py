"""How the asserts of a test program are rewritten: in the test's cell, and in the judge, which only reads them."""

from __future__ import annotations

import ast
import copy
from typing import Any

_SHOWN_CHARS = 500
CHECK_EQUAL, CHECK_TRUE, CHECK_RAISED = "__check_equal__", "__check_true__", "__check_raised__"
IS, TYPE = "__is__", "__type_of__"
_BROAD = {"Exception", "BaseException", "AssertionError", "StopIteration"}
"""Exceptions whose handler proves nothing: a failed assert may be what it has caught, or anything at all."""
_SINGLETONS = (None, True, False, Ellipsis, NotImplemented)


class _Rewrite(ast.NodeTransformer):
    """`assert a == b, m` becomes `__check_equal__(a, b, 0, "a == b")`, another `assert x` `__check_true__(x, 0, "x")`.

    Those that hold whatever the candidate does stay, uncounted: `assert True` and `assert (a == b, m)`. `a is b` and
    `type(a)` become calls too: what crosses by value has no identity, and what stays there has no type here. `checks`
    are the two sides of each equality, or the one expression, by the number that its call is given.

    A handler that the test has to enter, because it fails otherwise, begins with `__check_raised__(0)`: that the
    candidate raised what it should is as good as an assert.
    """

    def __init__(self, required: set[int]) -> None:
        self.checks: list[tuple[ast.expr, ast.expr | None]] = []
        self._required = required

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> Any:
        is_required = id(node) in self._required
        if is_required:
            self.checks.append((ast.Constant(True), None))
        number = ast.Constant(len(self.checks) - 1)
        self.generic_visit(node)
        if is_required:
            call = ast.Expr(ast.Call(ast.Name(CHECK_RAISED, ast.Load()), [number], []))
            node.body.insert(0, ast.fix_missing_locations(ast.copy_location(call, node.body[0])))
        return node

    def visit_Assert(self, node: ast.Assert) -> Any:
        test = node.test
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            parts = [ast.copy_location(ast.Assert(part, node.msg), node) for part in test.values]
            return [self.visit_Assert(part) for part in parts]
        if (isinstance(test, ast.Constant) and test.value) or (isinstance(test, ast.Tuple) and test.elts):
            return node
        text = ast.Constant(ast.unparse(test)[:_SHOWN_CHARS])
        number = ast.Constant(len(self.checks))
        is_equality = isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)
        self.checks.append((test, None))
        if isinstance(test, ast.Compare) and is_equality:
            self.checks[-1] = (copy.deepcopy(test.left), copy.deepcopy(test.comparators[0]))
        self.generic_visit(node)
        test = node.test
        if isinstance(test, ast.Compare) and is_equality:
            name, args = CHECK_EQUAL, [test.left, test.comparators[0], number, text]
        else:
            name, args = CHECK_TRUE, [test, number, text]
        call = ast.Expr(ast.Call(ast.Name(name, ast.Load()), args, []))
        return ast.fix_missing_locations(ast.copy_location(call, node))

    def visit_Compare(self, node: ast.Compare) -> Any:
        self.generic_visit(node)
        if len(node.ops) != 1 or not isinstance(node.ops[0], ast.Is | ast.IsNot):
            return node
        sides = [node.left, node.comparators[0]]
        if any(isinstance(side, ast.Constant) and side.value in _SINGLETONS for side in sides):
            return node
        call: ast.expr = ast.Call(ast.Name(IS, ast.Load()), sides, [])
        if isinstance(node.ops[0], ast.IsNot):
            call = ast.UnaryOp(ast.Not(), call)
        return ast.fix_missing_locations(ast.copy_location(call, node))

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "type" and len(node.args) == 1 and not node.keywords:
            node.func = ast.copy_location(ast.Name(TYPE, ast.Load()), node.func)
        return node


def _fails(node: ast.stmt) -> bool:
    """Whether a statement fails whenever it is reached."""
    if isinstance(node, ast.Assert):
        return isinstance(node.test, ast.Constant) and not node.test.value
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return ast.unparse(node.value.func) in ("self.fail", "pytest.fail")
    return isinstance(node, ast.Raise) and node.exc is not None


def _is_specific(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return all(isinstance(kind, ast.Name) and kind.id not in _BROAD for kind in kinds)


def _required_handlers(tree: ast.Module) -> set[int]:
    """The ids of handlers that a test enters or fails: after `assert False` in its `try` or `else`, or before it."""
    found: set[int] = set()
    for owner in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(owner, field, None)
            if not isinstance(block, list):  # of a lambda or a conditional expression
                continue
            for position, node in enumerate(block):
                if not isinstance(node, ast.Try):
                    continue
                fails_inside = _fails(node.body[-1]) or bool(node.orelse and _fails(node.orelse[-1]))
                fails_after = position + 1 < len(block) and _fails(block[position + 1])
                for handler in node.handlers:
                    leaves = isinstance(handler.body[-1], ast.Return | ast.Continue | ast.Break)
                    if _is_specific(handler) and (fails_inside or (fails_after and leaves and not node.orelse)):
                        found.add(id(handler))
    return found


def rewrite(source: str) -> tuple[ast.Module, list[tuple[ast.expr, ast.expr | None]]]:
    """The program to run, and what its asserts compare."""
    tree = ast.parse(source)
    rewriter = _Rewrite(_required_handlers(tree))
    return rewriter.visit(tree), rewriter.checks
