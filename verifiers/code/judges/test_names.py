"""Which names of a test program are the candidate's, which a library's, and which decide nothing.

A test program may use names that it does not define. Plain execution finds them all in one namespace, the candidate's
own, so a candidate that defines `expected`, `isclose` or `Counter` decides with them whether it is right. Here such a
name is

- the candidate's, if the problem names it: as its entry point, in its starter code (`prompt` of the reference), in the
  words of its task, or by an import from the candidate's module;
- a library's, if a well-known library exports it, unless it is the only name that the problem can be asking for;
- the candidate's, if it is the test's only other name, or if each use of it is compared with values of the test's own.

With any other name the test is not decided. Nor is one that asks one function of the candidate whether another's result
is right.
"""

from __future__ import annotations

import ast
import builtins
import copy
import dataclasses
import functools
import importlib
import re
import sys
from collections.abc import Iterator

from verifiers.code import extraction
from verifiers.code.judges import output_arguments

_LIBRARIES: tuple[str, ...] = ("math", "collections", "itertools", "functools", "heapq", "bisect")
_LIBRARIES += ("decimal", "fractions", "datetime", "pathlib", "typing")
"""Modules whose exports a test may mean without an import, the likeliest first."""
_ALIASES = {
    "np": ("numpy", ""),
    "numpy": ("numpy", ""),
    "sp": ("sympy", ""),
    "sympy": ("sympy", ""),
    "dt": ("datetime", ""),
    "deepcopy": ("copy", "deepcopy"),
    "allclose": ("numpy", "allclose"),
    "array": ("numpy", "array"),
    "assert_allclose": ("numpy.testing", "assert_allclose"),
    "assert_array_equal": ("numpy.testing", "assert_array_equal"),
    "assert_almost_equal": ("numpy.testing", "assert_almost_equal"),
}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_ABSENT = {"pd", "pandas", "pytest", "scipy", "plt", "torch", "tf", "approx", "raises", "mock", "patch", "TestCase"}
"""Names of packages and of their functions that the test's cell does not have."""
NODES = ("ListNode", "TreeNode")
"""The classes of LeetCode's tasks, which both sides have."""


@functools.cache
def _exports() -> dict[str, tuple[str, str]]:
    found = dict(_ALIASES)
    for module in _LIBRARIES:
        loaded = importlib.import_module(module)
        for name in getattr(loaded, "__all__", None) or [n for n in vars(loaded) if not n.startswith("_")]:
            if len(name) > 1:  # a lone letter is the program's own, not re.A
                found.setdefault(name, (module, name))
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class Test:
    """What the source of a test program tells, whatever program it is to judge."""

    tree: ast.Module
    preamble: str
    free: list[str]
    """Names that the test program expects from outside."""
    records: list[str]
    """Classes of the preamble."""
    mentioned: set[str]
    """Names, attributes and imports."""
    starter: set[str]
    """Functions and classes of the problem's starter code."""


@functools.lru_cache(maxsize=256)
def read(program: str, prompt: str, entry_point: str) -> Test:
    """Kept, because a batch judges many answers by one test."""
    tree = ast.parse(program)
    preamble = extraction.preamble(prompt, entry_point)
    starter = extraction.parse(prompt) or extraction.parse(prompt + "\n    pass\n")
    before = extraction.parse(preamble) or ast.Module([], [])
    attributes = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) for a in n.names}
    return Test(
        tree,
        preamble,
        free_names(tree, before),
        [node.name for node in before.body if isinstance(node, ast.ClassDef)],
        attributes | imported | extraction.used_names(tree),
        {node.name for node in starter.body if isinstance(node, _DEFINITIONS)} if starter else set(),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Names:
    """`candidate`: what the test calls of the candidate. `doubt`: why the test decides nothing, or empty."""

    candidate: list[str]
    libraries: dict[str, tuple[str, str]]
    nodes: list[str]
    doubt: str = ""


def _is_module(name: str) -> bool:
    return name in sys.stdlib_module_names or _ALIASES.get(name, ("", "x"))[1] == ""


def free_names(test: ast.Module, preamble: ast.Module) -> list[str]:
    """Names that the test program expects from outside."""
    stored = {n.id for n in ast.walk(test) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    arguments = {n.arg for n in ast.walk(test) if isinstance(n, ast.arg)}
    handlers = {n.name for n in ast.walk(test) if isinstance(n, ast.ExceptHandler) and n.name}
    inner = {n.name for n in ast.walk(test) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for n in ast.walk(test)
        if isinstance(n, ast.Import | ast.ImportFrom)
        for alias in n.names
    }
    known = stored | arguments | handlers | inner | imported
    known |= extraction.defined_names(test) | extraction.defined_names(preamble)
    known |= _star_imports(test) | _star_imports(preamble)
    used = extraction.used_names(_Unannotated().visit(copy.deepcopy(test)) if _is_lazy(test) else test)
    return sorted(name for name in used - known - set(dir(builtins)) if not re.fullmatch("__.*__", name))


def _is_lazy(test: ast.Module) -> bool:
    """Whether its annotations are never evaluated."""
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "annotations" for alias in node.names)
        for node in test.body
    )


class _Unannotated(ast.NodeTransformer):
    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant("")
        return self.generic_visit(node)


def _star_imports(tree: ast.Module) -> set[str]:
    modules = {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    }
    return {name for name, (module, _) in _exports().items() if module in modules}


def called(test: ast.Module) -> set[str]:
    return {n.func.id for n in ast.walk(test) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}


def own_definitions(program: ast.Module) -> set[str]:
    """Names that a program binds to something of its own: not by importing that very name from where it lies."""
    imports = [node for node in program.body if isinstance(node, ast.Import | ast.ImportFrom)]
    others = ast.Module([node for node in program.body if node not in imports], [])
    names = extraction.defined_names(others)
    for node in imports:
        for alias in node.names:
            bound = (alias.asname or alias.name).partition(".")[0]
            module = node.module if isinstance(node, ast.ImportFrom) else None
            usual = _exports().get(bound)
            if isinstance(node, ast.Import):
                is_usual = bound == alias.name.partition(".")[0] or (usual is not None and usual == (alias.name, ""))
            else:
                is_usual = alias.name == bound and (module in sys.stdlib_module_names or module == "numpy")
            if not is_usual:
                names.add(bound)
    return names


def sort_out(
    source: Test, program: ast.Module, entry_point: str, imported: frozenset[str], named: frozenset[str]
) -> Names:
    """`entry_point` is the name that the test has for what the problem asks for; empty if it does not say.

    `imported`: names that a test module imports from the candidate's, whatever else bears them. `named`: names that the
    words of the task have for what is asked for, where no library has them.
    """
    test, free = source.tree, source.free
    own = own_definitions(program)
    nodes = [name for name in free if name in NODES and name not in own]
    free = [name for name in free if name not in nodes]
    if not free:
        # The candidate's function may have a builtin's name, `sum` for instance, but only if no other could be meant:
        # which one it is must not depend on what the candidate defines.
        builtin = sorted(called(test) & set(dir(builtins)))
        if len(builtin) != 1 or builtin[0] not in own:
            return Names([], {}, nodes, "the test program calls nothing of the candidate")
        return Names(builtin, {}, nodes)
    usual = [name for name in free if name in _exports() or name in _ABSENT or name in sys.stdlib_module_names]
    named = (named - set(usual)) | source.starter | imported
    mine = [name for name in free if name == entry_point] + [
        name for name in free if name != entry_point and name in named
    ]
    others = [name for name in free if name not in mine]
    usual = [name for name in usual if name not in mine]
    unknown = [name for name in others if name not in usual]
    stranger = _stranger(test, program, mine, unknown) if mine or len(unknown) > 1 else ""
    mine += unknown
    if stranger:
        return Names(mine, {}, nodes, f"the test uses {stranger}, which neither it nor the problem names")
    if not mine:
        asked = _asked_of_libraries(test, usual, own)
        if not asked:
            return Names([], {}, nodes, "it does not tell which name is the candidate's")
        mine = asked
        usual = [name for name in usual if name not in asked]
    # A function of a library's name is the program's where the test asks for its results and for nothing else.
    tested = [name for name in usual if _is_grounded(test, name, {*mine, *(set(usual) & own)})]
    mine += tested
    usual = [name for name in usual if name not in tested]
    modules = {name for name in usual if _is_module(name) and name not in called(test)}
    if taken := sorted(set(usual) & own - modules):
        return Names(mine, {}, nodes, f"the test uses {taken[0]}, which the program defines")
    if absent := sorted(set(usual) & _ABSENT):
        return Names(mine, {}, nodes, f"the test uses {absent[0]}, which it does not import")
    libraries = {name: _exports().get(name, (name, "")) for name in usual}
    # `datetime` and `time` are classes and functions too, but not where they are only looked into.
    libraries.update({name: (name, "") for name in modules if name in sys.stdlib_module_names})
    doubt = judged_by_itself(test, mine, program, entry_point) if len(mine) > 1 else ""
    return Names(mine, libraries, nodes, doubt)


def _asked_of_libraries(test: ast.Module, usual: list[str], own: set[str]) -> list[str]:
    """Where every name is some library's: the only one, those that are tested, or the only one that the program has."""
    if len(usual) == 1:
        return usual
    names = [name for name in usual if name in called(test)]
    tested = [name for name in names if _is_grounded(test, name, set(names))]
    defined = [name for name in names if name in own]
    return tested or (defined if len(defined) == 1 else [])


def _stranger(test: ast.Module, program: ast.Module, named: list[str], unknown: list[str]) -> str:
    """A name of `unknown` that might decide whether another's result is right; empty if none does.

    A question of the test's, an assert or a condition, may be about one name alone. It may be about one function that
    gets objects of the program's classes, if it compares that with a value which owes nothing to the program.
    """
    classes = {node.name for node in program.body if isinstance(node, ast.ClassDef) and _is_plain_class(node)}
    owed = {name: _owed(test, name) for name in (*named, *unknown)}
    unasked = list(unknown)
    for question, sides in _questions(test):
        about = [name for name in owed if output_arguments.uses(question, owed[name])]
        unasked = [name for name in unasked if name not in about]
        strangers = [name for name in about if name in unknown]
        if not strangers or (len(about) == 1 and sides is not None):
            continue
        functions = [name for name in about if name not in classes]
        own = [side for side in sides or () if not any(output_arguments.uses(side, owed[name]) for name in about)]
        if len(functions) > 1 or not own:
            return next((name for name in strangers if name in functions), strangers[0])
    return unasked[0] if unasked else ""


def _is_plain_class(node: ast.ClassDef) -> bool:
    """Whether calls of a class make objects of its own."""
    if node.keywords or node.decorator_list:
        return False
    return not any(isinstance(part, _DEFINITIONS) and part.name == "__new__" for part in node.body)


def _owed(test: ast.Module, name: str) -> set[str]:
    """`name`, and what the test has got from it: results, and arguments of calls for their effect alone."""
    seeds = {name}
    for node in ast.walk(test):
        if isinstance(node, ast.Expr) and _calls_directly(node.value, {name}):
            seeds |= {
                n.id for argument in _arguments(node.value) for n in ast.walk(argument) if isinstance(n, ast.Name)
            }
    return output_arguments.derived(test, seeds, _parameters(test))


def _parameters(test: ast.Module) -> set[str]:
    """The parameters of the test's functions. Lambdas are left out: they hold no assert, and a call of one names what
    it passes."""
    functions = [node for node in ast.walk(test) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {part.arg for function in functions for part in ast.walk(function.args) if isinstance(part, ast.arg)}


def _questions(test: ast.Module) -> Iterator[tuple[ast.expr, tuple[ast.expr, ...] | None]]:
    """What a test asks: each assert and condition, with both sides of a comparison. None for the sides of a condition
    that decides what else is asked."""
    for node in ast.walk(test):
        if isinstance(node, ast.Assert | ast.If):
            compare = node.test if isinstance(node.test, ast.Compare) and len(node.test.ops) == 1 else None
            sides = (compare.left, compare.comparators[0]) if compare else ()
            decides = isinstance(node, ast.If) and not isinstance(node.body[0], ast.Raise)
            yield node.test, None if decides else sides
        elif isinstance(node, ast.While | ast.IfExp):
            yield node.test, None
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from ((decorator, None) for decorator in node.decorator_list)


def _is_grounded(test: ast.Module, name: str, candidates: set[str]) -> bool:
    """Whether each use of a function is a call that is compared with a value of the test's own, from arguments of the
    test's own."""
    derived = output_arguments.derived(test, candidates)
    good: set[int] = set()
    for side, other in _equalities(test):
        if _calls_directly(side, {name}) and not any(
            output_arguments.uses(part, derived) for part in (other, *_arguments(side))
        ):
            good.add(id(side.func) if isinstance(side, ast.Call) else 0)
    uses = [n for n in ast.walk(test) if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)]
    return bool(uses) and all(id(use) in good for use in uses)


def _equalities(test: ast.Module) -> Iterator[tuple[ast.expr, ast.expr]]:
    """The sides of each asserted equality, both ways round."""
    for node in ast.walk(test):
        compare = node.test if isinstance(node, ast.Assert) else None
        if isinstance(compare, ast.Compare) and len(compare.ops) == 1 and isinstance(compare.ops[0], ast.Eq):
            yield compare.left, compare.comparators[0]
            yield compare.comparators[0], compare.left


def judged_by_itself(test: ast.Module, mine: list[str], program: ast.Module, entry_point: str) -> str:
    """Why a test decides nothing that asks one function of the candidate about another's result; empty if it does not.

    A class makes the objects that functions are asked about; that is how such tests are written.
    """
    classes = {node.name for node in program.body if isinstance(node, ast.ClassDef)}
    functions = {name for name in mine if name not in classes}
    if len(functions) < 2:
        return ""
    derived = _derived(test, functions)
    for node in ast.walk(test):
        if isinstance(node, ast.Assert):
            judge = node.test.operand if isinstance(node.test, ast.UnaryOp) else node.test
            name = _calls_directly(judge, functions)
            if name and name != entry_point and any(_asks(a, functions - {name}, derived) for a in _arguments(judge)):
                return f"{name} of the program judges another of its results"
    # `decode(encode("abc")) == "abc"` asks the two for a value of the test's own.
    tainted = output_arguments.derived(test, functions)
    round_trips = {
        id(part)
        for side, other in _equalities(test)
        if not output_arguments.uses(other, tainted)
        for part in ast.walk(side)
    }
    for name in sorted(functions - {entry_point}):
        uses = [n for n in ast.walk(test) if isinstance(n, ast.Call) and _calls_directly(n, {name})]
        uses = [] if any(id(use) in round_trips for use in uses) else uses
        if uses and all(any(_asks(a, functions - {name}, set()) for a in _arguments(use)) for use in uses):
            return f"{name} of the program is only asked about another of its results"
    compares = [n.test for n in ast.walk(test) if isinstance(n, ast.Assert) and isinstance(n.test, ast.Compare)]
    if compares and all(
        _calls_directly(c.left, functions)
        and _calls_directly(c.left, functions) == _calls_directly(c.comparators[0], functions)
        and any(_asks(a, functions - {str(_calls_directly(c.left, functions))}, derived) for a in _arguments(c.left))
        for c in compares
    ):
        return "both sides of each comparison come from the program"
    return ""


def _calls_directly(node: ast.AST, names: set[str]) -> str | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
        return node.func.id
    return None


def _arguments(call: ast.AST) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)] if isinstance(call, ast.Call) else []


def _asks(node: ast.AST, functions: set[str], derived: set[str]) -> bool:
    return any(_calls_directly(n, functions) or (isinstance(n, ast.Name) and n.id in derived) for n in ast.walk(node))


_ASSIGNMENTS = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.NamedExpr)


def _derived(test: ast.Module, functions: set[str]) -> set[str]:
    """Variables of the test that hold what a function of the candidate has returned, or something made of it."""
    derived: set[str] = set()
    while True:
        before = len(derived)
        for node in ast.walk(test):
            value = getattr(node, "value", None)
            if isinstance(node, _ASSIGNMENTS) and value is not None and _asks(value, functions, derived):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                derived |= {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
        if len(derived) == before:
            return derived
