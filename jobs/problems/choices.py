"""Options and the right letter of a multiple-choice item, in every form that publishers give them.

Promises: a number counts only with a word from where it counts, and a text that is the letter of one option and the
text of another is refused: a wrong guess here would make a wrong answer right.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence

from jobs.problems.errors import BadFile, BadRow
from jobs.problems.rows import is_nothing
from verifiers.reference_fields import MAX_OPTIONS, excerpt, json_type
from verifiers.types import Json

LETTERS = string.ascii_uppercase
FORMS = ("letter", "text", "from 0", "from 1")
"""How a right option may be named: by letter or label, by its text, by a number that counts from 0 or from 1."""
_PREFIX = re.compile(r"\s*\(?([A-Z])[).:]\)?\s*")
_LISTED = re.compile(r"^[ \t]*\(?([A-Z])[).:]\)?[ \t]+", re.MULTILINE)
_KEYS = (("label", "text"), ("key", "value"), ("letter", "text"), ("id", "text"))


def read_options(value: Json, field: str) -> tuple[list[str], list[str]]:
    """(texts, labels) of a list of texts, `{"A": "…"}`, `[{"A": "…"}]`, `[{"key": "A", "value": "…"}]` or ARC's
    `{"text": […], "label": […]}`. Letters in front of all texts, `A)5`, are taken off. Raises BadRow."""
    pairs = list(zip(LETTERS, value, strict=False)) if isinstance(value, list) and len(value) <= MAX_OPTIONS else None
    if isinstance(value, Mapping):
        if set(value) == {"text", "label"}:
            labels, texts = value["label"], value["text"]
            if not isinstance(labels, list) or not isinstance(texts, list) or len(labels) != len(texts):
                raise BadRow(field, excerpt(value), "as many labels as texts")
            pairs = list(zip(labels, texts, strict=True))
        else:
            # A Parquet struct has a null for each letter that other rows have.
            given = [(str(label).strip(), text) for label, text in value.items() if text is not None]
            pairs = sorted(given, key=lambda pair: (len(pair[0]), pair[0]))
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        pairs = [_labelled(item, field) for item in value]
    if pairs is None:
        raise BadRow(field, "missing" if value is None else excerpt(value), f"a list of 2 to {MAX_OPTIONS} options")
    pairs = [(str(label).strip(), text_of(text, f"{field}.{label}")) for label, text in pairs]
    if len(pairs) < 2:
        # One option or none says nothing about from where a number counts that names the right one.
        raise BadRow(field, f"{len(pairs)} options", f"a list of 2 to {MAX_OPTIONS} options")
    labels, texts = [label for label, _ in pairs], [text for _, text in pairs]
    if len(set(labels)) < len(labels):
        raise BadRow(field, f"labels {excerpt(labels)}", "a label for each option")
    found = [_PREFIX.match(text) for text in texts]
    if texts and [match[1] if match else "" for match in found] == list(LETTERS[: len(texts)]):
        texts = [text[match.end() :].strip() for text, match in zip(texts, found, strict=True) if match]
    return texts, labels


def _labelled(item: Mapping[str, Json], field: str) -> tuple[Json, Json]:
    for label, text in _KEYS:
        if label in item and text in item:
            return item[label], item[text]
    given = [(key, value) for key, value in item.items() if value is not None]
    if len(given) != 1:
        raise BadRow(field, excerpt(dict(item)), 'options such as {"A": "…"}')
    return given[0]


def text_of(value: Json, field: str) -> str:
    """An option's text; numbers are written out. Raises BadRow."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
        return str(value)
    raise BadRow(field, "missing" if value is None else f"is {excerpt(value)}", "the option's text")


def without_empty_end(values: Sequence[Json]) -> list[Json]:
    """The options of columns A, B, C, …; a row with fewer of them leaves the last ones empty."""
    kept = list(values)
    while kept and (kept[-1] is None or kept[-1] != kept[-1] or (isinstance(kept[-1], str) and not kept[-1].strip())):
        kept.pop()
    return kept


def right_letter(value: Json, field: str, options: Sequence[str], labels: Sequence[str], form: str = "") -> str:
    """The letter of the right option. `form` is one of FORMS; empty: a letter or label, or an option's text where that
    is clear. Raises BadRow, and BadFile for a number that shows that the file counts from elsewhere."""
    if value is None or (isinstance(value, str) and not value.strip()) or value != value:
        raise BadRow(field, "missing", "the right option")
    if form in ("from 0", "from 1"):
        return LETTERS[_place_by_number(value, field, len(options), int(form[-1]))]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadRow(field, f"is a {json_type(value)}: {excerpt(value)}", "the right option's letter")
    text = str(value).strip()
    by_text = [place for place, option in enumerate(options) if option == text]
    by_label = [place for place, label in enumerate(labels) if label.upper() == _bare(text).upper()]
    if form == "text":
        by_label = []
    elif form == "letter":
        by_text = []
    if len(set(by_label + by_text)) != 1:
        if not by_label + by_text:
            what = f"one of {', '.join(labels)}" + ("" if form == "letter" else ", or the text of one option")
            if _bare(text).isdecimal():
                what += '; for a number say where it counts from: choice = "from 0" or "from 1"'
            raise BadRow(field, excerpt(value), what)
        raise BadRow(
            field,
            f"{excerpt(value)} names several options",
            'say how it names the right one: choice = "letter" or "text"',
        )
    if isinstance(value, int) and not by_label:
        raise BadRow(field, f"the number {value}", 'say where it counts from: choice = "from 0" or "from 1"')
    number = _bare(text)
    if not by_label and form != "text" and number.isdecimal() and int(number) <= len(options):
        raise BadRow(
            field,
            f"{excerpt(value)} may be an option's text or its number",
            'say which: choice = "text", "from 0" or "from 1"',
        )
    return LETTERS[(by_label + by_text)[0]]


def _bare(text: str) -> str:
    """`(B)`, `B.` and `B)` are the letter B."""
    found = re.fullmatch(r"\(?\s*([A-Za-z0-9]+)\s*[).:]?", text)
    return found[1] if found else text


def _place_by_number(value: Json, field: str, num_options: int, first: int) -> int:
    number = int(value) if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,3}\s*", value) else value
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        raise BadRow(field, excerpt(value), f"a number from {first}")
    if 0 <= number - first < num_options:
        return number - first
    if number == (num_options if first == 0 else 0):
        # One row that cannot be says that all rows of the file would be read one option off.
        raise BadFile(
            field,
            f"{number} of {num_options} options: this file counts from {1 - first}, not from {first}",
            f'layout = "columns" with choice = "from {1 - first}"',
        )
    raise BadRow(field, f"{number} of {num_options} options", f"a number from {first} on")


def listed_options(text: str, field: str) -> list[str]:
    """The options that a question lists at its end, each on a line that begins with its letter. Raises BadRow."""
    found = list(_LISTED.finditer(text))
    starts = [number for number, line in enumerate(found) if line[1] == "A"]
    lines = found[starts[-1] :] if starts else []
    if len(lines) < 2 or [line[1] for line in lines] != list(LETTERS[: len(lines)]):
        raise BadRow(field, f"lists no options: {excerpt(text[-80:])}", "a line for each: A. …, B. …")
    ends = [line.start() for line in lines[1:]] + [len(text)]
    options = [text[line.end() : end].strip() for line, end in zip(lines, ends, strict=True)]
    # What stands behind an empty line belongs to the task and not to the last option.
    options[-1] = options[-1].partition("\n\n")[0].strip()
    return options


def listed_choice(prompt: str, answer: Json, field: str) -> dict[str, Json]:
    """The reference of a question that lists its options itself; one without an answer key where there is no answer.
    Raises BadRow."""
    options = listed_options(prompt, field)
    if is_nothing(answer) or answer == "":
        return {"options": options}
    labels = list(LETTERS[: len(options)])
    return {"options": options, "answer": right_letter(answer, field, options, labels, "letter")}
