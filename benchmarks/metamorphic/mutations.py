"""Mutations: answers that differ from the reference in one place. None of them may verify.

Some mutations keep the meaning by accident (`(-2)^2` to `(2)^2`); `evaluator` finds those, and they do not count.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator

from .evaluator import Sameness, number, same, same_family
from .latex import brackets, split, strip, tokens
from .rewrites import Variant

Parts = list[str]
PER_KIND = 3
"""Mutations of one kind that one reference gets at most."""

_FUNCTIONS = {
    r"\sin": r"\cos", r"\cos": r"\sin", r"\tan": r"\cot", r"\cot": r"\tan", r"\sec": r"\csc", r"\csc": r"\sec",
    r"\ln": r"\exp", r"\log": r"\sin", r"\arcsin": r"\arccos", r"\arccos": r"\arcsin", r"\arctan": r"\arcsin",
    r"\sqrt": r"\ln", r"\cup": r"\cap", r"\cap": r"\cup", r"\max": r"\min", r"\min": r"\max", r"\gcd": r"\max",
}  # fmt: skip
_RELATIONS = {
    "=": ["<", r"\neq"], "<": [">", r"\le", "="], ">": ["<", r"\ge", "="],
    r"\le": ["<", r"\ge"], r"\leq": ["<", r"\ge"],
    r"\ge": [">", r"\le"], r"\geq": [">", r"\le"], r"\ne": ["="], r"\neq": ["="], r"\in": [r"\notin"],
    r"\leqslant": ["<", r"\ge"], r"\geqslant": [">", r"\le"],
}  # fmt: skip
_UNITS = {
    "cm": "km", "m": "cm", "km": "m", "mm": "m", "inches": "feet", "feet": "inches", "ft": "in", "hours": "days",
    "minutes": "hours", "seconds": "minutes", "min": "hours", "degrees": "radians", "miles": "km", "mph": "km/h",
    "kg": "g", "g": "kg", "cents": "dollars", "dollars": "cents", "liters": "ml", "days": "weeks", "years": "days",
    "square units": "cubic units", "meters": "inches", "meter": "inch", "cubic units": "square units", "yards": "feet",
    "units": "dozens", "s": "h",
}  # fmt: skip
_WORDS = {
    "even": "odd", "odd": "even", "yes": "no", "no": "yes", "true": "false", "false": "true", "Yes": "No", "No": "Yes",
    "monday": "Tuesday", "tuesday": "Monday", "wednesday": "Thursday", "thursday": "Friday", "friday": "Sunday",
    "saturday": "Sunday", "sunday": "Monday", "ellipse": "hyperbola", "hyperbola": "ellipse", "parabola": "circle",
    "circle": "point", "point": "line", "line": "plane", "increasing": "decreasing", "north": "south", "east": "west",
    "neither": "both", "and": "or", "or": "and",
}  # fmt: skip


def mutations(reference: str, rng: random.Random) -> Iterator[tuple[Variant, str]]:
    """Mutations with the changed answer by itself, which the evaluator is asked about."""
    text = reference.strip()
    parts = tokens(text)
    seen = {_squeezed(text)}
    for kind, mutate in _KINDS.items():
        made = list(dict.fromkeys("".join(parts_made) for parts_made in mutate(parts)))
        rng.shuffle(made)
        for changed in made[:PER_KIND]:
            if _squeezed(changed) not in seen and changed.strip():
                seen.add(_squeezed(changed))
                yield Variant(kind, f"So we find \\boxed{{{changed}}}."), changed
    yield from _taken_back(text)


def is_excused(reference: str, changed: str) -> bool:
    """Whether the evaluator shows that the mutation kept the meaning."""
    return same(reference, changed) is Sameness.EQUAL or same_family(reference, changed)


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _replaced(parts: Parts, place: int, new: str) -> Parts:
    return [*parts[:place], new, *parts[place + 1 :]]


# One kind each


def _digit(parts: Parts) -> Iterator[Parts]:
    for place, part in enumerate(parts):
        if part.isdigit():
            for index, digit in enumerate(part):
                for new in {str((int(digit) + 1) % 10), str((int(digit) + 5) % 10)}:
                    if new == "0" and index == 0:
                        new = "7" if digit != "7" else "8"
                    yield _replaced(parts, place, part[:index] + new + part[index + 1 :])


def _more_digits(parts: Parts) -> Iterator[Parts]:
    for place, part in enumerate(parts):
        if part.isdigit():
            yield _replaced(parts, place, part + "3")
            yield _replaced(parts, place, "1" + part)
            if len(part) > 1:
                yield _replaced(parts, place, part[1:] if part[1] != "0" else part[:-1])


def _sign(parts: Parts) -> Iterator[Parts]:
    first = next((place for place, part in enumerate(parts) if not part.isspace()), 0)
    if parts[first] == "-":
        yield parts[first + 1 :]
    elif parts[first].isdigit() or parts[first] in (r"\frac", r"\sqrt", r"\dfrac", r"\pi"):
        yield ["-", *parts[first:]]
    for place, part in enumerate(parts[first + 1 :], start=first + 1):
        if part in "+-":
            yield _replaced(parts, place, "-" if part == "+" else "+")
        after = (parts[place + 1 : place + 2] or [""])[0]
        if part in ("(", ",", "{", "[") and (after.isdigit() or after in (r"\frac", r"\sqrt")):
            yield [*parts[: place + 1], "-", *parts[place + 1 :]]
        if part in ("(", ",", "{", "[") and after == "-":
            yield parts[: place + 1] + parts[place + 2 :]


def _exponent(parts: Parts) -> Iterator[Parts]:
    for place, part in enumerate(parts[:-1]):
        if part == "^" and parts[place + 1].isdigit():
            yield _replaced(parts, place + 1, str(int(parts[place + 1][0]) + 1) + parts[place + 1][1:])
            if len(parts[place + 1]) == 1:
                yield parts[:place] + parts[place + 2 :]
        elif part == "^" and parts[place + 1] == "{":
            end = dict(brackets(parts)).get(place + 1)
            if end is not None and r"\circ" not in parts[place:end] and r"\prime" not in parts[place:end]:
                yield parts[:place] + parts[end + 1 :]
                yield [*parts[:end], "+", "1", *parts[end:]]
        elif (part.isdigit() or re.fullmatch("[a-z]", part)) and parts[place + 1] in ("+", "-"):
            yield [*parts[: place + 1], "^", "3", *parts[place + 1 :]]
    if re.fullmatch("[a-z]|[2-9]|[1-9][0-9]+", parts[-1]) and "_" not in parts:
        yield [*parts, "^", "2"]


def _bracket(parts: Parts) -> Iterator[Parts]:
    other = {"(": "[", "[": "(", ")": "]", "]": ")"}
    for start, end in brackets(parts):
        if parts[start] in "([" and parts[end] in ")]":
            inside, commas = split(parts[start + 1 : end], frozenset({","}))
            if len(commas) == 1 and _may_be_interval(*inside, closed=parts[start] + parts[end]):
                yield _replaced(parts, start, other[parts[start]])
                yield _replaced(parts, end, other[parts[end]])
            plain = parts[start] == "(" and r"\left" not in parts and parts[start - 1 : start] != ["_"]
            if plain and not commas and not _is_text(inside[0]):
                yield parts[:start] + parts[start + 1 : end] + parts[end + 1 :]


def _may_be_interval(low: Parts, high: Parts, closed: str) -> bool:
    ends = number("".join(low)), number("".join(high))
    if r"\infty" in low or r"\infty" in high or closed in ("(]", "[)"):
        return True
    return ends[0] is not None and ends[1] is not None and ends[0] < ends[1]


def _relation(parts: Parts) -> Iterator[Parts]:
    for place, part in enumerate(parts):
        for new in _RELATIONS.get(part, []):
            yield _replaced(parts, place, new)


def _swapped(parts: Parts) -> Iterator[Parts]:
    """Two neighbours of an ordered tuple, the values of two names, two cells of a matrix, the sides of a ratio."""
    for start, end in brackets(parts):
        if parts[start] in ("(", r"\langle") and (start == 0 or not parts[start - 1].isalpha()):
            if parts[start - 1 : start] and re.match(r"\\(?!left|text|in|cup)", parts[start - 1]):
                continue  # \max(1, 2), \gcd(2, 4)
            yield from _swap_items(parts, start + 1, end, frozenset({","}))
    named = [split(item, frozenset({"="})) for item in split(parts, frozenset({","}))[0]]
    if len(named) > 1 and all(len(marks) == 1 for _, marks in named):
        names, values = [sides[0] for sides, _ in named], [strip(sides[1]) for sides, _ in named]
        for k in range(len(values) - 1):
            swapped = [*values]
            swapped[k], swapped[k + 1] = swapped[k + 1], swapped[k]
            yield [",".join("".join(name) + "=" + "".join(v) for name, v in zip(names, swapped, strict=True))]
    for place, part in enumerate(parts):
        if re.match(r"\\begin\{.?matrix\}", part):
            end = next((k for k, other in enumerate(parts) if other.startswith(r"\end")), 0)
            yield from _swap_items(parts, place + 1, end, frozenset({"&", r"\\"}))
    if ":" in parts and "{" not in parts:
        yield from _swap_items(parts, 0, len(parts), frozenset({":"}))


def _swap_items(parts: Parts, start: int, end: int, separators: frozenset[str]) -> Iterator[Parts]:
    items, marks = split(parts[start:end], separators)
    for k in range(len(items) - 1):
        swapped = [*items]
        swapped[k], swapped[k + 1] = swapped[k + 1], swapped[k]
        inner = list(swapped[0])
        for mark, item in zip(marks, swapped[1:], strict=True):
            inner += [mark, *item]
        yield parts[:start] + inner + parts[end:]


def _dropped(parts: Parts) -> Iterator[Parts]:
    """One item less of a list, set, tuple, union, sum."""
    for separators in (frozenset({","}), frozenset({r"\cup"}), frozenset({"+"}), frozenset({r"\text{ or }"})):
        yield from _drop_items(parts, 0, len(parts), separators)
    for start, end in brackets(parts):
        if parts[start] in ("(", r"\{", r"\langle") and not any(m.startswith("\\") for m in parts[start - 1 : start]):
            yield from _drop_items(parts, start + 1, end, frozenset({","}))


def _drop_items(parts: Parts, start: int, end: int, separators: frozenset[str]) -> Iterator[Parts]:
    items, marks = split(parts[start:end], separators)
    if not marks or not all("".join(item).strip() for item in items):
        return
    for k in range(len(items)):
        kept = items[:k] + items[k + 1 :]
        inner = list(kept[0])
        for item in kept[1:]:
            inner += [marks[0], *item]
        yield parts[:start] + inner + parts[end:]


def _added(parts: Parts) -> Iterator[Parts]:
    """One more item, term or factor."""
    items, commas = split(parts, frozenset({","}))
    if commas and all(number("".join(item)) is not None for item in items):
        yield [*parts, ",", "9876"]
    if number("".join(parts)) is not None:
        yield [*parts, "+", "1"]
        yield [*parts, "x"]
        yield [*parts, r"\pi"]
        yield [*parts, ",", "9876"]
        yield ["x", "=", "1", r"\text{ or }", "x", "=", *parts]
        yield [r"\frac", "{", "1", "}", "{", *parts, "}"]
        yield [r"\sqrt", "{", *parts, "}"]
        yield [r"\pm ", *parts]
        yield [">", *parts]
        yield [*parts, "i"]
        if all(part.isdigit() for part in parts):
            yield [*parts, "!"]
            yield [*parts, "_", "9"]
            yield [*parts, "k"]
            yield [*parts, "ab"]


def _function(parts: Parts) -> Iterator[Parts]:
    for place, part in enumerate(parts):
        if part in _FUNCTIONS and parts[place + 1 : place + 2] != ["["]:
            yield _replaced(parts, place, _FUNCTIONS[part])


def _unit(parts: Parts) -> Iterator[Parts]:
    for place, part in enumerate(parts):
        match = re.fullmatch(r"(\\(?:text|mbox|textrm|mathrm)\s*\{\s*)([^{}]*?)(\s*\})", part)
        if match and match[2] in _UNITS:
            yield _replaced(parts, place, match[1] + _UNITS[match[2]] + match[3])
            if parts[place + 1 : place + 2] == ["^"]:
                yield parts[: place + 1]
        if part == r"\%":
            yield parts[:place] + parts[place + 1 :]
        if part == r"\$":
            yield _replaced(parts, place, "€")
    if number("".join(parts)) not in (None, 0):
        yield [*parts, r"\text{ million}"]
        yield [*parts, r"\text{ dozen}"]
        yield [*parts, r"\text{ hundredths}"]
        yield [*parts, r"\text{ squared}"]
        yield [*parts, r"\text{ more than the number}"]
        yield [*parts, r"\text{ times as many}"]


def _name(parts: Parts) -> Iterator[Parts]:
    """Another letter for one letter, wherever it stands or in one place; another word."""
    free = not any(part in (r"\mathbb{Z}", r"\sum", "C") for part in parts)
    letters = sorted({part for part in parts if re.fullmatch("[A-Za-z]", part)} - {"e", "i", "d"})
    for letter in letters:
        new = "w" if letter.islower() else "W"
        if letter != new and free:
            yield [new if part == letter else part for part in parts]
            for place, part in enumerate(parts):
                if part == letter:
                    yield _replaced(parts, place, new)
    symmetric = "," in parts or "=" in parts
    for first, second in itertools.pairwise(letters):
        if not symmetric and free and first.islower() == second.islower():
            swap = {first: second, second: first}
            yield [swap.get(part, part) for part in parts]
    yield from _words(parts)


def _words(parts: Parts) -> Iterator[Parts]:
    for place, part in enumerate(parts):
        match = re.fullmatch(r"(\\(?:text|mbox|textbf)\s*\{\s*)([^{}]*?)(\s*\})", part)
        if match is None or match[2] in _UNITS:
            continue
        word = match[2]
        if word.lower() in _WORDS:
            yield _replaced(parts, place, match[1] + _WORDS[word.lower()] + match[3])
        if len(word) > 1 and word.isalpha() and word not in ("and", "or") and _is_text(parts):
            yield _replaced(parts, place, match[1] + word[:-1] + match[3])
            yield _replaced(parts, place, match[1] + word[1:] + match[3])
            yield _replaced(parts, place, match[1] + "not " + word + match[3])
        if len(word) == 1 and word.isalpha():
            yield _replaced(parts, place, match[1] + chr((ord(word) - 64) % 26 + 65) + match[3])


def _is_text(parts: Parts) -> bool:
    return all(part.isspace() or part.startswith(r"\text") or part.startswith(r"\mbox") for part in parts)


def _index(parts: Parts) -> Iterator[Parts]:
    for place, part in enumerate(parts[:-1]):
        if part in ("_", "["):
            after = parts[place + 1]
            if after.isdigit() and (part == "_" or parts[place - 1 : place] == [r"\sqrt"]):
                yield _replaced(parts, place + 1, str(int(after[0]) % 9 + 1) + after[1:])
            if part == "_" and (after.isdigit() or after.isalpha()):
                yield parts[:place] + parts[place + 2 :]
            if part == "_" and after == "{" and (end := dict(brackets(parts)).get(place + 1)) is not None:
                yield parts[:place] + parts[end + 1 :]
                yield [*parts[: place + 1], "{", "9", "}", *parts[end + 1 :]]


def _moved(parts: Parts) -> Iterator[Parts]:
    """What a fraction, a root or a bar covers, changed: upside down, another index, one item out."""
    pairs = dict(brackets(parts))
    for place, part in enumerate(parts):
        end = pairs.get(place + 1)
        if end is None or parts[place + 1] != "{":
            continue
        inside = parts[place + 2 : end]
        if part in (r"\frac", r"\dfrac", r"\tfrac") and (second := pairs.get(end + 1)) is not None:
            below = parts[end + 2 : second]
            yield [*parts[: place + 1], "{", *below, "}", "{", *inside, "}", *parts[second + 1 :]]
            yield [*parts[:place], "(", *inside, ")", *parts[second + 1 :]]
            top, marks = split(inside, frozenset({"+", "-"}))
            if marks and all(top):
                first, rest = top[0], inside[len(top[0]) :]
                yield [*parts[:place], *first, *rest[:1], r"\frac", "{", *rest[1:], "}", *parts[end + 1 :]]
        if part == r"\sqrt":
            yield [*parts[:place], r"\sqrt[3]", *parts[place + 1 :]]
            yield [*parts[:place], "(", *inside, ")", *parts[end + 1 :]]
        if part in (r"\overline", r"\bar") and all(token.isdigit() for token in inside):
            yield [*parts[:place], *inside, *parts[end + 1 :]]
    bars = [place for place, part in enumerate(parts) if part == "|"]
    if len(bars) == 2 and r"\{" not in parts:
        yield [*parts[: bars[0]], "(", *parts[bars[0] + 1 : bars[1]], ")", *parts[bars[1] + 1 :]]


def _letters_moved(parts: Parts) -> Iterator[Parts]:
    """Two neighbouring capitals (`HTH`), or items of a text in capitals, change places."""
    for place, (first, second) in enumerate(itertools.pairwise(parts)):
        capitals = re.fullmatch("[A-Z]{2}", first + second) and len(parts) > 2 and r"\frac" not in parts
        if capitals and not _names_a_segment(parts, place):
            yield [*parts[:place], second, first, *parts[place + 2 :]]
    for place, part in enumerate(parts):
        match = re.fullmatch(r"(\\text\s*\{)([^{}]*)(\})", part)
        items = match[2].split(",") if match else []
        if match and len(items) > 2 and len(set(items)) == len(items) and _is_text(parts):
            yield _replaced(parts, place, match[1] + ",".join([items[1], items[0], *items[2:]]) + match[3])
        if match and len(match[2]) == 2 and match[2].isalpha() and match[2].lower() not in _WORDS:
            yield _replaced(parts, place, match[1] + match[2].swapcase() + match[3])


def _names_a_segment(parts: Parts, place: int) -> bool:
    """`AB` before an equals sign, or behind an angle or triangle: the same thing as `BA`."""
    behind = [part for part in parts[place + 2 :] if not part.isspace()]
    before = [part for part in parts[:place] if not part.isspace()]
    others = sum(part.isalpha() and part.isupper() for part in parts)
    return behind[:1] == ["="] or others == 2 or bool(before and before[-1] in (r"\angle", r"\triangle", "{"))


def _cut(parts: Parts) -> Iterator[Parts]:
    """The answer without its end, where what is left is balanced."""
    for length in range(len(parts) - 1, 0, -1):
        if any(part in ("=", r"\approx") for part in parts[length : length + 2]):
            continue  # one side of a chain, which has the value of the other
        kept = strip(parts[:length])
        closed = {place for pair in brackets(kept) for place in pair}
        balanced = all(
            p in closed for p, part in enumerate(kept) if part in ("(", "[", "{", r"\{", ")", "]", "}", r"\}")
        )
        if all(
            re.match(r"\\(text|mbox|textbf|textrm|mathrm|[ ,!;:]|%|circ)|[\s.^{},0-9]", part) for part in parts[length:]
        ):
            continue  # words or a full stop behind the answer; docs/math_answers.md lets nouns go
        whole = kept and (kept[-1].isdigit() or kept[-1] in (")", "}", r"\pi") or kept[-1].isalpha())
        if whole and balanced and not any(part == r"\left" or part.startswith(r"\begin") for part in kept):
            yield kept


_KINDS: dict[str, Callable[[Parts], Iterator[Parts]]] = {
    "digit": _digit,
    "more digits": _more_digits,
    "sign": _sign,
    "exponent": _exponent,
    "bracket": _bracket,
    "relation": _relation,
    "swapped items": _swapped,
    "dropped item": _dropped,
    "added": _added,
    "function name": _function,
    "unit": _unit,
    "name": _name,
    "index": _index,
    "moved": _moved,
    "letters moved": _letters_moved,
    "cut": _cut,
}


def _taken_back(text: str) -> Iterator[tuple[Variant, str]]:
    """The right answer in a text that does not give it as its answer. The evaluator has nothing to say here."""
    other = "76543"
    for kind, whole in OTHERWISE.items():
        yield Variant(kind, whole.replace("@", text).replace("~", other)), other


OTHERWISE = {
    "denied": r"\boxed{@} (incorrect)",
    "corrected": "\\boxed{@}\n\nCorrection: ~.",
    "corrected by a sentence": "\\boxed{@}\n\nWait, that is not right. It should be $~$.",
    "wrong by its own words": r"The wrong answer is \boxed{@}.",
    "a common wrong answer": r"A common wrong answer is \boxed{@}.",
    "not the answer": r"So the answer is not \boxed{@}.",
    "thought only": "<think>The answer is \\boxed{@}.\n</think>\n\nI am not sure.",
    "open thought": r"<think>The answer is \boxed{@}. But wait",
    "two answers": r"\boxed{@} and then \boxed{~}",
    "another answer behind": "\\boxed{@}\n\nThe final answer is $~$.",
    "another answer in a table": "\\boxed{@}\n\n#### ~",
    "supposed": r"If the answer were \boxed{@} then $0=1$, a contradiction.",
    "asked": r"Is the answer $@$?",
    "asked in a box": r"Could it be \boxed{@}?",
    "cut box": r"So the answer is \boxed{@",
    "twice the box": r"So the answer is $2\cdot\boxed{@}+~$.",
    "a power of the box": r"The answer is $\boxed{@}^{7}+1$.",
    "half of it": r"The answer is half of $@$.",
    "at least": r"The answer is at least $@$ times ~.",
    "not stated": r"The answer is not $@$.",
    "or another": r"The answer is $@$ or $~$.",
    "numbered": "The answers are:\n1. ~\n2. $@$",
}
"""Texts with the right answer at @ (and a wrong one at ~) that do not give it as their answer."""


__all__ = ["is_excused", "mutations"]
