"""Counts steps instead of seconds: executed lines, characters handed to regular expressions, and backtracking.

`regex_steps` walks the parse tree of a pattern with a plain backtracking matcher and counts every character test, so
that a pattern that backtracks quadratically is found on a machine of any speed.
"""

import contextlib
import importlib
import os
import pkgutil
import random
import re
import sys
import threading
from re import _constants as codes
from re import _parser as parser

SHARE_VARIABLE = "PROOFMILL_LINEAR_SHARE"


def some(tokens, always, seed=0):
    """The tokens of a flood that a run tries: those of `always`, and by a seed the share that the environment asks for.

    `make linear` tries all of them.
    """
    missing = set(always) - set(tokens)
    assert not missing, f"no tokens: {missing}"
    share = float(os.environ.get(SHARE_VARIABLE, "0.05"))
    count = round(share * len(tokens))
    chosen = {*always, *random.Random(seed).sample(sorted(tokens), min(count, len(tokens)))}
    return [token for token in tokens if token in chosen]


# Executed lines


def count_lines(folder, work):
    """Lines of Python files under `folder` that `work()` executes."""
    count = 0

    def local(frame, event, argument):
        nonlocal count
        count += event == "line"
        return local

    def calls(frame, event, argument):
        return local if frame.f_code.co_filename.startswith(folder) else None

    before = sys.gettrace()
    sys.settrace(calls)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


# Characters handed to patterns


class CountedPattern:
    """A compiled pattern that notes how many characters it was handed at most, call by call."""

    def __init__(self, pattern, uses):
        self._pattern = pattern
        self._uses = uses

    def __getattr__(self, name):
        found = getattr(self._pattern, name)
        if name not in ("search", "match", "fullmatch", "finditer", "findall", "sub", "subn", "split"):
            return found

        def counted(*args, **kwargs):
            text = args[1] if name in ("sub", "subn") else args[0]
            begin = args[1] if name in ("search", "match", "fullmatch", "finditer") and len(args) > 1 else 0
            # A search that finds something has looked no farther than where its match ends.
            result = found(*args, **kwargs)
            end = result.end() if name in ("search", "match", "fullmatch") and result else len(text)
            if name in ("match", "fullmatch") and result is None:
                end = begin  # what a failed match costs is told by `regex_steps`
            self._uses.append((self._pattern, name, max(0, end - begin)))
            return result

        return counted


@contextlib.contextmanager
def counted_patterns(packages):
    """Replaces the patterns of every module of the packages; yields the list of (pattern, method, characters)."""
    uses = []
    replaced = []
    for module in modules_of(packages):
        for name, value in list(vars(module).items()):
            if isinstance(value, re.Pattern):
                replaced.append((module, name, value))
                setattr(module, name, CountedPattern(value, uses))
    compile_before = re._compile

    def compile_counted(pattern, flags):
        compiled = compile_before(getattr(pattern, "_pattern", pattern), flags)
        asked_by = sys._getframe(2).f_globals.get("__name__", "")
        ours = any(asked_by.startswith(package) for package in packages)
        return CountedPattern(compiled, uses) if ours else compiled

    re._compile = compile_counted
    try:
        yield uses
    finally:
        re._compile = compile_before
        for module, name, value in replaced:
            setattr(module, name, value)


class CountedText(str):
    """A text that notes the characters of every slice of it and of every method that looks at it in whole."""

    def __new__(cls, text, sizes):
        made = super().__new__(cls, text)
        made.sizes = sizes
        return made

    def __getitem__(self, place):
        found = super().__getitem__(place)
        self.sizes.append(len(found))
        return CountedText(found, self.sizes) if len(found) > 1 else found


def _counted_method(name):
    method = getattr(str, name)

    def counted(self, *args, **kwargs):
        self.sizes.append(len(self))
        found = method(self, *args, **kwargs)
        return CountedText(found, self.sizes) if isinstance(found, str) else found

    return counted


for _name in ("count", "replace", "strip", "lstrip", "rstrip", "split", "lower", "removeprefix", "removesuffix"):
    setattr(CountedText, _name, _counted_method(_name))


def modules_of(packages):
    for package in packages:
        module = importlib.import_module(package)
        yield module
        for found in pkgutil.iter_modules(getattr(module, "__path__", []), f"{package}."):
            yield from modules_of([found.name])


# Backtracking


class TooManyStepsError(Exception):
    """The matcher went over its limit."""


def regex_steps(pattern, text, method="search", limit=5_000_000):
    """Steps of a plain backtracking matcher. Raises TooManyStepsError beyond the limit."""
    return regex_run(pattern, text, method, limit)[0]


def regex_run(pattern, text, method="search", limit=5_000_000):
    """Steps of the matcher, and the ends of the matches it found."""
    result = []

    def run():
        try:
            result.append(_Matcher(pattern, text, limit).count(method))
        except TooManyStepsError as error:
            result.append(error)

    # The matcher recurses once per repetition of a group.
    before = threading.stack_size(512 * 2**20)
    depth = sys.getrecursionlimit()
    sys.setrecursionlimit(10**6)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(depth)
        threading.stack_size(before)
    if isinstance(result[0], Exception):
        raise result[0]
    return result[0]


class _Matcher:
    def __init__(self, pattern, text, limit):
        self.text = text.lower() if pattern.flags & re.IGNORECASE else text
        self.flags = pattern.flags
        self.items = list(parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))
        self.limit = limit
        self.steps = 0
        self.groups = {}

    def step(self):
        self.steps += 1
        if self.steps > self.limit:
            raise TooManyStepsError

    def count(self, method):
        at = 0
        ends = []
        found = []

        def accept(place):
            if method == "fullmatch" and place != len(self.text):
                return False
            ends.append(place)
            return True

        while at <= len(self.text):
            ends.clear()
            if self.run(self.items, 0, at, accept):
                found.append(ends[-1])
                if method in ("search", "match", "fullmatch"):
                    break
                at = max(ends[-1], at + 1)
            elif method in ("match", "fullmatch"):
                break
            else:
                at += 1
        return self.steps, found

    def run(self, items, index, at, then):
        if index == len(items):
            return then(at)
        code, argument = items[index]
        rest = lambda place: self.run(items, index + 1, place, then)  # noqa: E731
        self.step()
        if code in (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN):
            return at < len(self.text) and self.is_char(code, argument, self.text[at]) and rest(at + 1)
        if code is codes.BRANCH:
            return any(self.run(list(branch), 0, at, rest) for branch in argument[1])
        if code is codes.SUBPATTERN:
            number, _, _, inner = argument

            def close(place):
                if number is not None:
                    self.groups[number] = (at, place)
                return rest(place)

            return self.run(list(inner), 0, at, close)
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            return self.repeat(code, argument, at, rest)
        if code is codes.AT:
            return self.is_at(argument, at) and rest(at)
        if code in (codes.ASSERT, codes.ASSERT_NOT):
            return self.look(code, argument, at) and rest(at)
        if code is codes.GROUPREF:
            begin, end = self.groups.get(argument, (0, 0))
            return self.text.startswith(self.text[begin:end], at) and rest(at + end - begin)
        if code is codes.ATOMIC_GROUP:
            ends = []
            return self.run(list(argument), 0, at, lambda place: ends.append(place) or True) and rest(ends[0])
        raise NotImplementedError(str(code))

    def repeat(self, code, argument, at, rest):
        low, high, inner = argument
        inner = list(inner)
        single = len(inner) == 1 and inner[0][0] in (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN)
        if single and code is not codes.MIN_REPEAT:
            end = at
            while end < len(self.text) and end - at < high and self.is_char(*inner[0], self.text[end]):
                self.step()
                end += 1
            if code is codes.POSSESSIVE_REPEAT:
                return end - at >= low and rest(end)
            return any(rest(place) for place in range(end, at + low - 1, -1))
        if single:
            end = at
            while True:
                self.step()
                if end - at >= low and rest(end):
                    return True
                if end == len(self.text) or end - at == high or not self.is_char(*inner[0], self.text[end]):
                    return False
                end += 1
        return self.repeat_group(code, inner, low, high, at, 0, rest)

    def repeat_group(self, code, inner, low, high, at, done, rest):
        def again(place):
            if place == at and done >= low:
                return False  # an empty repetition goes nowhere
            return self.repeat_group(code, inner, low, high, place, done + 1, rest)

        more = lambda: done < high and self.run(inner, 0, at, again)  # noqa: E731
        if code is codes.MIN_REPEAT:
            return (done >= low and rest(at)) or more()
        return more() or (done >= low and rest(at))

    def look(self, code, argument, at):
        direction, inner = argument
        if direction > 0:
            found = self.run(list(inner), 0, at, lambda place: True)
        else:
            width = inner.getwidth()[0]
            found = at >= width and self.run(list(inner), 0, at - width, lambda place: place == at)
        return bool(found) is (code is codes.ASSERT)

    def is_at(self, where, at):
        before = at > 0 and _is_word(self.text[at - 1])
        after = at < len(self.text) and _is_word(self.text[at])
        if where in (codes.AT_BOUNDARY, codes.AT_NON_BOUNDARY):
            return (before != after) is (where is codes.AT_BOUNDARY)
        if where in (codes.AT_BEGINNING, codes.AT_BEGINNING_STRING):
            by_line = self.flags & re.MULTILINE and where is codes.AT_BEGINNING
            return at == 0 or bool(by_line and self.text[at - 1] == "\n")
        by_line = self.flags & re.MULTILINE and where is codes.AT_END
        last_newline = where is codes.AT_END and self.text[at:] == "\n"
        return at == len(self.text) or last_newline or bool(by_line and self.text[at] == "\n")

    def is_char(self, code, argument, char):
        if code is codes.ANY:
            return char != "\n" or bool(self.flags & re.DOTALL)
        if code is codes.LITERAL:
            return char == self.fold(argument)
        if code is codes.NOT_LITERAL:
            return char != self.fold(argument)
        negate = argument[:1] and argument[0][0] is codes.NEGATE
        return any(self.is_in(*item, char) for item in argument if item[0] is not codes.NEGATE) is not bool(negate)

    def is_in(self, code, argument, char):
        if code is codes.LITERAL:
            return char == self.fold(argument)
        if code is codes.RANGE:
            candidates = {char, char.upper()} if self.flags & re.IGNORECASE else {char}
            return any(argument[0] <= ord(candidate) <= argument[1] for candidate in candidates if len(candidate) == 1)
        kind = str(argument).rsplit("_", 1)[-1]
        known = {"SPACE": str.isspace, "DIGIT": str.isdigit, "WORD": _is_word}[kind]
        return known(char) is not ("NOT" in str(argument))

    def fold(self, code_point):
        return chr(code_point).lower() if self.flags & re.IGNORECASE else chr(code_point)


def _is_word(char):
    return char.isalnum() or char == "_"
