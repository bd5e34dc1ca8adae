"""What a pool worker does for math: read the reference, find and read the final answer, compare.

A pure function of its payload, so that tests and benchmarks call it in process. It is total over texts; an exception is
a bug and becomes status `error`. Time and memory are bounded from outside, by the pool.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import re
from collections.abc import Mapping
from fractions import Fraction

from verifiers import finish_reasons, thoughts
from verifiers.math.comparing import names, questions
from verifiers.math.comparing.compare import Comparison, Tolerance, compare
from verifiers.math.comparing.equality import UndecidedError
from verifiers.math.reading import extract, parser
from verifiers.math.reading.expression import Node, UnreadableError, show
from verifiers.math.reading.extract import Candidate, NoAnswerError
from verifiers.math.reference import ANSWER_KEYS, keys_given
from verifiers.math.symbolic import wire
from verifiers.types import NO_ANSWER_KEY, Json, Status

MAX_EVIDENCE_CHARS = 300
MAX_ANSWER_CHARS = 2000
"""Longest answer that is told whole, in characters."""


class ReferenceError(ValueError):
    """The problem's own answer cannot be used. `field` says which, where it has several."""

    def __init__(self, wrong: str, field: str = "answer") -> None:
        super().__init__(wrong)
        self.field = field


def work(payload: Mapping[str, Json]) -> dict[str, Json]:
    """Takes `{"reference", "text", "finish_reason", "prompt", "known"}` and gives `{"status", "reason", "evidence",
    "open"}`.

    `open` holds the pairs of expressions that kept the verdict undecided. `known` holds what the symbolic engine said
    about such pairs: rows of two packed trees and True or False. `prompt` is the problem, which is only asked whether
    it speaks of a derivative or an inverse where the answer is named as one. Without a `reference` the final answer is
    read and compared with nothing.
    """
    if "reference" not in payload:
        return {**_read(payload), "open": []}
    known = {(wire.unpack(a), wire.unpack(b)): equal for a, b, equal in payload.get("known") or ()}
    with questions.collect(known) as asked:
        result = _work(payload)
    if result["status"] in (Status.VERIFIED, Status.REFUTED):
        result["evidence"]["tier"] = "symbolic" if asked.used else "exact"
    open_pairs = asked.open if result["status"] == Status.UNDECIDED else []
    return {**result, "open": [[wire.pack(a), wire.pack(b)] for a, b in open_pairs]}


def _read(payload: Mapping[str, Json]) -> dict[str, Json]:
    """The final answer, as `_judge` reads it, or why there is none."""
    prompt = str(payload.get("prompt") or "")
    try:
        texts = _final_texts(payload, prompt)
        try:
            evidence = _answer_alone(texts)
        except NoAnswerError:
            joined = _joined(texts)
            if len(joined) == len(texts):
                raise
            evidence = _answer_alone(joined)  # boxes that a comma separates are the list that the problem asks for
    except NoAnswerError as error:
        evidence = {"no_answer": finish_reasons.name_unknown(str(error), payload.get("finish_reason"))}
    except RecursionError:
        evidence = {"no_answer": "nesting too deep"}
    return _result(Status.UNCHECKED, NO_ANSWER_KEY, evidence)


def _answer_alone(texts: list[Candidate]) -> dict[str, Json]:
    """The one answer that the candidates agree on. Raises NoAnswerError."""
    final = texts[-1]
    try:
        answer = _read_candidate(final)
    except UnreadableError as error:
        raise NoAnswerError("no final answer" if final.how == "whole" else f"unreadable answer: {error}") from None
    if final.how == "whole" and (_is_titled(answer) or answer.op == "text"):
        raise NoAnswerError("no final answer")
    for candidate in texts[:-1]:
        with contextlib.suppress(UnreadableError):  # an earlier one that cannot be read contradicts nothing
            node = _read_candidate(candidate)
            if candidate.text != final.text and compare(answer, node).status is not Status.VERIFIED:
                raise NoAnswerError("several final answers")
    if refused := _refused_by_left_side(None, answer, final.left):
        raise NoAnswerError(refused.reason)
    if len(final.text) > MAX_ANSWER_CHARS:
        raise NoAnswerError("the answer is too long")
    return {"answer": final.text, "found": final.how, "read": show(answer)[:MAX_EVIDENCE_CHARS]}


def _final_texts(payload: Mapping[str, Json], prompt: str) -> list[Candidate]:
    """The final answers that a text gives, unread. Raises NoAnswerError."""
    parts = thoughts.split(payload["text"], payload.get("finish_reason"))
    if unreadable := parts.unreadable():
        raise NoAnswerError(unreadable)
    return extract.candidates(parts.answer, parts.cut_off("before a final answer") if parts.cut else "", prompt)


def _work(payload: Mapping[str, Json]) -> dict[str, Json]:
    try:
        golds = read_golds(payload["reference"])
        tolerance = read_tolerance(payload["reference"].get("tolerance"))
    except ReferenceError as error:
        evidence = {"reference": str(error), "field": error.field}
        return _result(Status.ERROR, "the reference cannot be read", evidence)
    if payload.get("text") is None:
        return _result(Status.VERIFIED, "", {"gold": ", or ".join(show(gold) for gold in golds)})
    try:
        texts = _final_texts(payload, str(payload.get("prompt") or ""))
    except NoAnswerError as error:
        result = _result(Status.MALFORMED, str(error), {})
    else:
        try:
            prompt = str(payload.get("prompt") or "")
            result = _any_of([_judge(gold, texts, tolerance, prompt) for gold in golds])
        except RecursionError:
            # A product of a thousand factors is a tree as deep: no evidence either way.
            result = _result(Status.UNDECIDED, "nesting too deep", {})
    return {**result, "reason": finish_reasons.name_unknown(result["reason"], payload.get("finish_reason"))}


_BEST_FIRST = (Status.VERIFIED, Status.UNDECIDED, Status.MALFORMED, Status.REFUTED)


def _any_of(results: list[dict[str, Json]]) -> dict[str, Json]:
    """The verdict where any of several references is enough: refuted only if all of them refute."""
    return min(results, key=lambda result: _BEST_FIRST.index(Status(result["status"])))


def read_golds(reference: Mapping[str, Json]) -> list[Node]:
    """The trees of a reference, of which any one is enough. Raises ReferenceError."""
    answer_type, keys = reference.get("type"), keys_given(reference)
    if len(keys) != 1:
        raise ReferenceError(f"has {' and '.join(keys) or 'none'} of {', '.join(ANSWER_KEYS)}, where one is needed")
    key = keys[0]
    if key == "answer":
        return [read_reference(_text_of(reference[key]), answer_type)]
    if not isinstance(reference[key], list) or not reference[key]:
        raise ReferenceError("is no list of answers", key)
    nodes = []
    for number, answer in enumerate(reference[key]):
        try:
            nodes.append(read_reference(_text_of(answer), answer_type))
        except ReferenceError as error:
            raise ReferenceError(str(error), f"{key}[{number}]") from None
    return nodes if key == "answers" else [_together(nodes)]


def _text_of(answer: Json) -> str:
    """An answer of a reference as text. Raises ReferenceError for what is none: the name `None` that Python gives to a
    null would be a right answer."""
    if isinstance(answer, bool) or not isinstance(answer, str | int | float):
        raise ReferenceError(f"{answer!r:.80} is neither text nor a number")
    return str(answer)


MAX_READINGS = 16
"""Number of ways in which several answers together may be read."""


def _together(nodes: list[Node]) -> Node:
    """Several answers that are all asked for, as one list. Commas such as those of `81,256` have two readings each."""
    if len(nodes) == 1:
        return nodes[0]
    readings = [node.args if node.op == "either" else (node,) for node in nodes]
    if math.prod(map(len, readings)) > MAX_READINGS:
        raise ReferenceError("too many commas that may separate numbers or group their digits", "all")
    lists = tuple(Node("list", parts, ",") for parts in itertools.product(*readings))
    weak = any(node.value for node in nodes if node.op == "either")
    return lists[0] if len(lists) == 1 else Node("either", lists, weak)


def equivalent(
    gold: str, answer: str, tolerance: Tolerance | None = None, answer_type: str | None = None
) -> Comparison:
    """Compares one bare answer with a reference, in this process and without a time limit."""
    node = read_reference(gold, answer_type)
    try:
        return compare(node, read_answer(answer), tolerance)
    except UnreadableError as error:
        return Comparison(Status.MALFORMED, f"unreadable: {error}")


@functools.lru_cache(maxsize=4096)
def read_reference(answer: str, answer_type: str | None = None) -> Node:
    """The tree of a reference. Raises ReferenceError."""
    try:
        texts = extract.candidates(answer)
    except NoAnswerError as error:
        raise ReferenceError(str(error)) from None
    if len(texts) != 1:
        raise ReferenceError("several answers")
    span = texts[0].text
    if answer_type == "text":
        return Node("text", value=" ".join(span.split()))
    reason = ""
    for reading in extract.readings(span):
        try:
            return parser.read(reading)
        except UnreadableError as error:
            reason = reason or str(error)
    raise ReferenceError(f"{span[:80]!r}: {reason}")


def read_tolerance(value: Json) -> Tolerance | None:
    if value is None:
        return None
    try:
        parts = {key: Fraction(str(part)) for key, part in value.items()}
        tolerance = Tolerance(**parts)
    except (TypeError, ValueError, AttributeError) as error:
        raise ReferenceError(f"tolerance {value!r}: {error}") from None
    if min(tolerance.rel, tolerance.abs) < 0:
        raise ReferenceError(f"tolerance {value!r}: negative")
    return tolerance


def read_answer(span: str) -> Node:
    """The tree of a bare answer. Raises UnreadableError."""
    return parser.read(extract.strip_markup(span))


def _read_candidate(candidate: Candidate) -> Node:
    reason: UnreadableError | None = None
    spans = [candidate.text] if candidate.how == "boxed" else extract.readings(candidate.text)
    for span in spans:
        try:
            return read_answer(span)
        except (UnreadableError, RecursionError) as error:
            reason = reason or UnreadableError(str(error))
    raise reason or UnreadableError("empty")


def _judge(gold: Node, texts: list[Candidate], tolerance: Tolerance | None, prompt: str) -> dict[str, Json]:
    if gold.op in ("list", "set", "either"):
        texts = _joined(texts)
    final = texts[-1]
    evidence: dict[str, Json] = {"answer": final.text[:MAX_ANSWER_CHARS], "found": final.how}
    nodes: list[tuple[Candidate, Node]] = []
    for candidate in texts:
        try:
            nodes.append((candidate, _read_candidate(candidate)))
        except UnreadableError as error:
            if candidate is final:
                reason = "no final answer" if final.how == "whole" else f"unreadable answer: {error}"
                return _result(Status.MALFORMED, reason, evidence)
    answer = nodes[-1][1]
    if final.how == "whole" and (_is_titled(answer) or answer.op == "text") and gold.op not in ("text", "rel", "list"):
        return _result(Status.MALFORMED, "no final answer", evidence)
    for candidate, node in nodes[:-1]:
        if candidate.text != final.text and compare(answer, node).status is not Status.VERIFIED:
            evidence["conflict"] = candidate.text[:MAX_EVIDENCE_CHARS]
            return _result(Status.MALFORMED, "several final answers", evidence)
    comparison = _refused_by_left_side(gold, answer, final.left) or compare(gold, answer, tolerance)
    if comparison.reason == names.DERIVED and answer.op == "rel" and names.is_asked_for(answer.args[0], prompt):
        comparison = compare(gold, answer.args[-1], tolerance)
    evidence["read"] = show(answer)[:MAX_EVIDENCE_CHARS]
    return _result(comparison.status, comparison.reason, evidence)


def _is_titled(answer: Node) -> bool:
    """Whether words stand on the left of the equals sign, as in `total cost = 5`."""
    return answer.op == "rel" and answer.args[0].op == "sym" and answer.args[0].value.startswith("text ")


_BARE_FUNCTION = re.compile(r"\\(?:deg|det|dim|ker|log|ln|lg|exp|sin|cos|tan|cot|gcd|lcm|arg)\s*")


def _refused_by_left_side(gold: Node | None, answer: Node, left: str) -> Comparison | None:
    """The verdict on `$2x = \\boxed{5}$`, which gives the value of 2x: it is undecided, as `\\boxed{2x = 5}` is, where
    the reference is a value, or is not known."""
    if not left or (gold is not None and gold.op == "rel"):
        return None
    if _BARE_FUNCTION.fullmatch(left):
        return Comparison(Status.UNDECIDED, "a function without what it is applied to")
    try:
        side = read_answer(left)
        names.refuse_another(Node("rel", (side, answer), ("=",)))
    except (UnreadableError, RecursionError):
        return None
    except UndecidedError as error:
        return Comparison(Status.UNDECIDED, str(error))
    if names.is_function_of_unknown(side):
        return Comparison(Status.UNDECIDED, "an equation where the reference is a value")
    return None


def _joined(texts: list[Candidate]) -> list[Candidate]:
    """Boxes that only a comma, `and` or `or` separates are one list, where the reference is one; with the names in
    front of them if there are several."""
    joined: list[list[Candidate]] = []
    for candidate in texts:
        if candidate.joint and joined and joined[-1][-1].how == "boxed":
            joined[-1].append(candidate)
        else:
            joined.append([candidate])
    return [group[0] if len(group) == 1 else _one_list(group) for group in joined]


def _one_list(group: list[Candidate]) -> Candidate:
    named = len({box.name for box in group}) > 1 and all(box.name for box in group)
    parts: list[str] = []
    for box in group:
        if parts:
            parts.append(f"\\text{{ {box.joint} }}" if box.joint.isalpha() else box.joint)
        parts.append(f"{box.name} = {box.text}" if named and "=" not in box.text else box.text)
    return Candidate(" ".join(parts), group[0].start, group[-1].end, "boxed")


def _result(status: Status, reason: str, evidence: dict[str, Json]) -> dict[str, Json]:
    return {"status": str(status), "reason": reason, "evidence": evidence}
