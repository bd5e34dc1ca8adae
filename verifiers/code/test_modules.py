"""Test modules, as pytest and unittest run them, rewritten into one test program (mode `assert`).

The test functions and classes of the module are run in its order by a few lines put at its end, with pytest's
parametrized arguments and fixtures and unittest's setUp and tearDown. unittest's assertions become assert statements,
so that they are counted, shown and looked at like any other. `from solution import f` goes: its names are the
candidate's, which the judge provides.

Promises: pure; what these lines cannot run as pytest or unittest would is a ValueError, never skipped in silence.
Does not: run pytest itself, whose plugins and files have no place between test and candidate.
"""

from __future__ import annotations

import ast
import sys

_PACKAGES = {"numpy", "sympy", "mpmath", "scipy", "pandas", "sortedcontainers", "pytest"}
"""Packages that a test module may import; what else is no part of Python is the candidate's module."""
_COMPARISONS: dict[str, type[ast.cmpop]] = {
    "assertEqual": ast.Eq,
    "assertEquals": ast.Eq,
    "assertListEqual": ast.Eq,
    "assertTupleEqual": ast.Eq,
    "assertDictEqual": ast.Eq,
    "assertSetEqual": ast.Eq,
    "assertSequenceEqual": ast.Eq,
    "assertMultiLineEqual": ast.Eq,
    "assertNotEqual": ast.NotEq,
    "assertIs": ast.Is,
    "assertIsNot": ast.IsNot,
    "assertIn": ast.In,
    "assertNotIn": ast.NotIn,
    "assertLess": ast.Lt,
    "assertLessEqual": ast.LtE,
    "assertGreater": ast.Gt,
    "assertGreaterEqual": ast.GtE,
}
_HELPERS = {
    "assertAlmostEqual": "__almost_equal__",
    "assertAlmostEquals": "__almost_equal__",
    "assertNotAlmostEqual": "__not_almost_equal__",
    "assertCountEqual": "__count_equal__",
    "assertRegex": "__matches__",
    "assertNotRegex": "__matches_not__",
}
_EXPECTS = {"assertRaises", "assertRaisesRegex", "raises"}

_DRIVER = '''

def __held__():
    return True


def __raised__(expected, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except expected:
        return True
    return False


def __almost_equal__(first, second, places=None, msg=None, delta=None):
    if first == second:
        return True
    difference = abs(first - second)
    return difference <= delta if delta is not None else round(difference, 7 if places is None else places) == 0


def __not_almost_equal__(first, second, places=None, msg=None, delta=None):
    return not __almost_equal__(first, second, places, msg, delta)


def __count_equal__(first, second, msg=None):
    first, second = list(first), list(second)
    for item in first:
        if item not in second:
            return False
        second.remove(item)
    return not second


def __matches__(text, pattern, msg=None):
    import re

    return re.search(pattern, text) is not None


def __matches_not__(text, pattern, msg=None):
    return not __matches__(text, pattern)


def __run_module__(scope, tests, fixtures):
    import itertools
    import unittest

    skipped = (unittest.SkipTest,)
    try:
        from _pytest.outcomes import Skipped
        skipped += (Skipped,)
    except ImportError:
        pass

    def cases(function):
        """The arguments of each run of a function: one empty set, or what its marks say."""
        rows = [{}]
        for mark in getattr(function, "pytestmark", []):
            if mark.name == "parametrize":
                names = mark.args[0] if mark.args else mark.kwargs["argnames"]
                sets = mark.args[1] if len(mark.args) > 1 else mark.kwargs["argvalues"]
                names = [n.strip() for n in names.split(",") if n.strip()] if isinstance(names, str) else list(names)
                given = []
                for values in sets:
                    values = getattr(values, "values", values) if type(values).__name__ == "ParameterSet" else (
                        values if len(names) > 1 else (values,)
                    )
                    given.append(dict(zip(names, values, strict=True)))
                rows = [{**row, **one} for row, one in itertools.product(rows, given)]
            elif mark.name == "skip" or mark.name == "xfail" or (mark.name == "skipif" and mark.args and mark.args[0]):
                return []
        return rows

    def wanted(function):
        code = function.__code__
        return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    def call(function, own, arguments):
        """Runs one test with its fixtures, and what follows their `yield` afterwards."""
        made, later = dict(arguments), []

        def value(name):
            if name not in made:
                fixture, yields = fixtures[name]
                result = fixture(**{n: value(n) for n in wanted(fixture)})
                if yields:
                    later.append(result)
                    result = next(result)
                made[name] = result
            return made[name]

        try:
            names = wanted(function)[len(own):]
            function(*own, **{n: value(n) for n in names})
        except skipped:
            pass
        finally:
            for fixture in reversed(later):
                next(fixture, None)

    def hook(owner, name, *args):
        if found := getattr(owner, name, None):
            found(*args)

    def run_class(kind):
        is_case = issubclass(kind, unittest.TestCase)
        names = [name for name in dir(kind) if name.startswith("test")]
        hook(kind, "setUpClass" if is_case else "setup_class")
        for name in names:
            function = getattr(kind, name)
            for arguments in cases(function):
                test = kind(name) if is_case else kind()
                try:
                    hook(test, "setUp") if is_case else hook(test, "setup_method", *[function][: len(
                        wanted(type(test).setup_method)) - 1] if hasattr(test, "setup_method") else ())
                    call(function, (test,), arguments)
                except skipped:
                    pass
                finally:
                    hook(test, "tearDown" if is_case else "teardown_method")
                    if is_case:
                        test.doCleanups()
        hook(kind, "tearDownClass" if is_case else "teardown_class")

    for name in ("setUpModule", "setup_module"):
        if name in scope:
            scope[name](*(None,) * scope[name].__code__.co_argcount)
    for item, is_class in tests:
        if is_class:
            run_class(item)
        else:
            for arguments in cases(item):
                call(item, (), arguments)


__run_module__(vars(), [%s], {%s})
'''


def is_test_module(tree: ast.Module) -> bool:
    """Whether it defines tests for a runner to find, and calls none of them itself."""
    called = {
        node.value.func.id
        for node in tree.body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name)
    }
    return any(name not in called for name, _ in _tests(tree))


def _tests(tree: ast.Module) -> list[tuple[str, bool]]:
    """The names of its test functions (False) and classes (True), in order."""
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            found.append((node.name, False))
        elif isinstance(node, ast.ClassDef) and (_is_case(node) or node.name.startswith("Test")):
            methods = [item.name for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
            if "__init__" not in methods and any(name.startswith("test") for name in methods):
                found.append((node.name, True))
    return found


def _is_case(node: ast.ClassDef) -> bool:
    return any(_last_name(base).endswith("TestCase") for base in node.bases)


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_candidates(module: str) -> bool:
    head = module.partition(".")[0]
    return head not in sys.stdlib_module_names and head not in _PACKAGES


class _Rewrite(ast.NodeTransformer):
    def __init__(self) -> None:
        self.modules: set[str] = set()
        """Names that stand for the candidate's module."""
        self.imported: set[str] = set()

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | list[ast.stmt]:
        if not node.level and not _is_candidates(node.module or ""):
            return node
        if any(alias.name == "*" for alias in node.names):
            return ast.Pass()
        self.imported |= {alias.name for alias in node.names}
        return [
            ast.Assign([ast.Name(alias.asname, ast.Store())], ast.Name(alias.name, ast.Load()))
            for alias in node.names
            if alias.asname and alias.asname != alias.name
        ] or ast.Pass()

    def visit_Import(self, node: ast.Import) -> ast.AST:
        mine = [alias for alias in node.names if _is_candidates(alias.name)]
        self.modules |= {alias.asname or alias.name for alias in mine}
        node.names = [alias for alias in node.names if alias not in mine]
        return node if node.names else ast.Pass()

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id in self.modules:
            self.imported.add(node.attr)
            return ast.Name(node.attr, node.ctx)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        self.generic_visit(node)
        call = node.value
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            return node
        owner, name = call.func.value, call.func.attr
        if name == "main" and isinstance(owner, ast.Name) and owner.id in ("unittest", "pytest"):
            return ast.Pass()
        if not isinstance(owner, ast.Name) or owner.id not in ("self", "cls"):
            return node
        test = _as_condition(name, call)
        return node if test is None else ast.Assert(test, None)

    def visit_With(self, node: ast.With) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        if not any(_last_name(item.context_expr) in _EXPECTS for item in node.items):
            return node
        return [node, ast.Assert(_call("__held__", [], []), None)]


def _call(name: str, args: list[ast.expr], keywords: list[ast.keyword]) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), args, keywords)


def _as_condition(name: str, call: ast.Call) -> ast.expr | None:
    """What an assertion method of unittest asks; None for one that is left as it is."""
    args = call.args
    if any(isinstance(arg, ast.Starred) for arg in args):
        return None
    if name in _COMPARISONS and len(args) >= 2:
        return ast.Compare(args[0], [_COMPARISONS[name]()], [args[1]])
    if name in _HELPERS and len(args) >= 2:
        return _call(_HELPERS[name], args, call.keywords)
    if name == "assertRaises" and len(args) >= 2:
        return _call("__raised__", args, call.keywords)
    if name in ("assertIsInstance", "assertNotIsInstance") and len(args) >= 2:
        test = _call("isinstance", args[:2], [])
        return test if name == "assertIsInstance" else ast.UnaryOp(ast.Not(), test)
    if name in ("assertTrue", "assertFalse", "assertIsNone", "assertIsNotNone") and args:
        if name == "assertTrue":
            return args[0]
        if name == "assertFalse":
            return ast.UnaryOp(ast.Not(), args[0])
        operator: ast.cmpop = ast.Is() if name == "assertIsNone" else ast.IsNot()
        return ast.Compare(args[0], [operator], [ast.Constant(None)])
    return None


def _fixtures(tree: ast.Module) -> dict[str, bool]:
    """Takes the mark off the module's fixtures; their names, and whether they yield.

    Raises ValueError for a kind of fixture that is not run here.
    """
    names = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        marks = [mark for mark in node.decorator_list if _last_name(mark) == "fixture"]
        if not marks:
            continue
        if node not in tree.body:
            raise ValueError(f"test: the fixture {node.name} is not at the top level of the module")
        for mark in marks:
            keywords = {word.arg for word in mark.keywords} if isinstance(mark, ast.Call) else set()
            if keywords - {"scope"}:
                raise ValueError(f"test: the fixture {node.name} has {sorted(map(str, keywords - {'scope'}))[0]}")
            node.decorator_list.remove(mark)
        names[node.name] = any(isinstance(part, ast.Yield) for part in ast.walk(node))
    return names


def _check_arguments(tree: ast.Module, fixtures: dict[str, bool]) -> None:
    """Every argument of a test is a fixture of the module or a parameter. Raises ValueError."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test"):
            raise ValueError(f"test: {node.name} is asynchronous")
        if not isinstance(node, ast.FunctionDef) or not (node.name.startswith("test") or node.name in fixtures):
            continue
        given: set[str] = {"self", *fixtures}
        for mark in node.decorator_list:
            if _last_name(mark) == "parametrize" and isinstance(mark, ast.Call) and mark.args:
                for part in ast.walk(mark.args[0]):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        given |= {name.strip() for name in part.value.split(",")}
            elif _last_name(mark) == "usefixtures":
                raise ValueError(f"test: {node.name} uses fixtures by name")
        names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        names = names[: len(names) - len(node.args.defaults)] if node.args.defaults else names
        if unknown := [name for name in names if name not in given and name != "cls"]:
            raise ValueError(f"test: {node.name} wants {unknown[0]}, which is no fixture of the module")


def as_program(source: str) -> tuple[str, str, frozenset[str]]:
    """The test module as a program, the lines that run its tests after it, and the names that it imports from the
    candidate's module. Raises ValueError, SyntaxError."""
    rewrite = _Rewrite()
    tree = rewrite.visit(ast.parse(source))
    fixtures = _fixtures(tree)
    _check_arguments(tree, fixtures)
    ast.fix_missing_locations(tree)
    tests = ", ".join(f"({name}, {is_class})" for name, is_class in _tests(tree))
    given = ", ".join(f"{name!r}: ({name}, {yields})" for name, yields in fixtures.items())
    return ast.unparse(tree) + "\n", _DRIVER % (tests, given), frozenset(rewrite.imported)
