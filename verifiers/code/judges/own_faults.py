"""Whether a test program that has failed after a call of the candidate's failed by itself.

A program is refuted only for what it did. `np.float_` in a test written for an older numpy, or a missing key of the
test's own table, fails for every candidate alike, and a right answer before it does not change that.

Promises: `is_own` is True only for a library's missing name, and where the statement of the module that failed holds
nothing that a candidate could have reached: no name of the candidate's, and no name that stood in one such statement
(a whole loop, branch, `try` or definition) with a name that it could reach.
Does not: look into statements. Inside a function or a block that uses the candidate, whether a line is reached may
depend on what the candidate has done, so a failure there counts as the candidate's.
"""

from __future__ import annotations

import ast
import builtins
import types
from collections.abc import Iterable


def is_own(error: BaseException, source: str, filename: str, candidate: Iterable[str]) -> bool:
    """`candidate`: the names the test takes from the program; `filename`: the one that `source` was compiled with."""
    if isinstance(error, AttributeError) and type(error.obj) is types.ModuleType:
        return True  # no module ever comes from the candidate
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != filename:
        trace = trace.tb_next
    return trace is not None and trace.tb_lineno not in _reached_lines(ast.parse(source), set(candidate))


def _reached_lines(tree: ast.Module, reach: set[str]) -> set[int]:
    """The lines of all statements of the module that a candidate can have reached."""
    aliases = [node for node in ast.walk(tree) if isinstance(node, ast.alias)]
    fixed = {(alias.asname or alias.name).partition(".")[0] for alias in aliases} | set(dir(builtins))
    fixed -= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    statements = [(node, _names(node)) for node in tree.body]
    while True:
        reached = [(node, names) for node, names in statements if not names.isdisjoint(reach)]
        found = {name for _, names in reached for name in names} - fixed
        if found <= reach:
            return {line for node, _ in reached for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
        reach = reach | found


def _names(node: ast.stmt) -> set[str]:
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        names.add(node.name)
    return names
