"""Layouts of prompts for reinforcement learning: open-instruct's RLVR, TRL, slime, SkyRL, NeMo-Gym."""

from __future__ import annotations

import re
from collections.abc import Mapping

from jobs.problems import canonical, code_tests
from jobs.problems.answer_layouts import NOT_PLAIN
from jobs.problems.choices import read_options, right_letter
from jobs.problems.errors import BadRow
from jobs.problems.exam_layouts import last_boxed
from jobs.problems.rows import (
    RowContext,
    first_there,
    is_nothing,
    key_of,
    objects,
    optional_string,
    own_id,
    parsed,
    some,
)
from jobs.problems.training_layouts import one_user_message
from verifiers.reference_fields import excerpt, json_type
from verifiers.types import Json, Kind, Problem

Row = Mapping[str, Json]

IDS = ("id", "uuid", "problem_id", "task_id")
TRUTHS = ("ground_truth", "solution", "answer")


def problem(
    row: Row, context: RowContext, kind: str, chat: tuple[str, str], reference: dict[str, Json], **labels: str
) -> Problem:
    return Problem(
        id=own_id(row, IDS, context),
        kind=kind,
        prompt=chat[0],
        reference=reference,
        domain=labels.get("domain", ""),
        source=labels.get("source", ""),
        split=labels.get("split", ""),
        meta=some(system=chat[1]),
    )


def read_rlvr(row: Row, context: RowContext) -> Problem:
    """open-instruct: `dataset` names the verifier of a row. Rows that ask for instructions to be followed, or that a
    model judges, are bad rows; so are rows of several verifiers, which all have to be satisfied."""
    verifier, truth = verifier_of(row.get("dataset")), row.get("ground_truth")
    chat = one_user_message(row.get("messages"), "messages")
    reference: dict[str, Json]
    if re.fullmatch(r"[^,;|]*math[^,;|]*|gsm8k", verifier) or (not verifier and context.kind == Kind.MATH):
        kind: str = Kind.MATH
        reference = key_of(truth, "ground_truth")
    elif verifier == "code":
        kind, tests = Kind.CODE, list_of_tests(truth)
        if not isinstance(tests, list) or not tests or not all(isinstance(test, str) for test in tests):
            raise BadRow("ground_truth", excerpt(truth), "a list of assert statements")
        reference = {"mode": "assert", "test_list": tests}
    elif verifier == "code_stdio":
        kind = Kind.CODE
        pairs = objects({"ground_truth": list_of_tests(truth)}, "ground_truth")
        tests = {"inputs": [one.get("input") for one in pairs], "outputs": [one.get("output") for one in pairs]}
        reference = code_tests.reference_of_truth(tests, "ground_truth", chat[0])
    else:
        wrong = f"{excerpt(row.get('dataset'))} names a verifier that is not here"
        raise BadRow("dataset", wrong, "math, gsm8k, code, code_stdio")
    if context.kind and kind != context.kind:
        raise BadRow(
            "dataset", f"{excerpt(verifier)} is of kind {kind}, but problems.kind is {context.kind}", "one kind"
        )
    return problem(row, context, kind, chat, reference, domain=verifier)


def verifier_of(names: Json) -> str:
    """The verifier that a row names, alone or in a list. With several names the truths are a list too, one for each
    verifier, and a reference could say only that any one of them is right. Raises BadRow."""
    if is_nothing(names) or names in ("", []):
        return ""
    given = names if isinstance(names, list) else [names]
    if len(given) > 1:
        raise BadRow("dataset", f"{len(given)} verifiers, {excerpt(given)}, which all judge", "one verifier")
    if not isinstance(given[0], str):
        raise BadRow("dataset", f"is {excerpt(names)}", "the name of a verifier")
    return given[0].lower()


def list_of_tests(truth: Json) -> Json:
    """The tests of a row: a list, its JSON text, or one of these alone in a list, beside a list of one verifier."""
    if isinstance(truth, list) and len(truth) == 1:
        inner = truth[0]
        is_text = isinstance(inner, str) and inner.lstrip().startswith("[")
        return parsed(inner, "ground_truth") if is_text or isinstance(inner, list) else truth
    return parsed(truth, "ground_truth")


def is_trl(row: Row) -> bool:
    return any(name in row for name in TRUTHS) and NOT_PLAIN.isdisjoint(row)


def read_trl(row: Row, context: RowContext) -> Problem:
    """TRL's prompts for GRPO: `solution`, `ground_truth` or `answer`; our own export has the whole `reference` too."""
    chat = one_user_message(row.get("prompt"), "prompt")
    if isinstance(row.get("reference"), str | dict):
        reference = canonical.object_field(row["reference"], "reference")
        return problem(row, context, context.kind or kind_of_reference(reference), chat, reference)
    field = first_there(row, TRUTHS)
    value = row.get(field)
    if field == "solution" and isinstance(value, str):
        value = last_boxed(value) or value
    return problem(row, context, Kind.MATH, chat, key_of(value, field))


def kind_of_reference(reference: Row) -> str:
    """The kind whose references have these keys. Raises BadRow."""
    keys = {"options": Kind.CHOICE, "statement": Kind.LEAN, "mode": Kind.CODE, "answer": Kind.MATH}
    found = next((kind for key, kind in keys.items() if key in reference), None)
    if found is None and ("answers" in reference or "all" in reference):
        found = Kind.MATH
    if found is None:
        raise BadRow("reference", excerpt(dict(reference)), "a reference of a known kind, or set problems.kind")
    return found


def read_slime(row: Row, context: RowContext) -> Problem:
    """slime: `prompt`, a chat or a text, and `label`, the final answer."""
    return problem(
        row, context, Kind.MATH, one_user_message(row.get("prompt"), "prompt"), key_of(row.get("label"), "label")
    )


SKYRL_MATH = re.compile(r"gsm8k|aime|.*math.*")


def read_skyrl(row: Row, context: RowContext) -> Problem:
    """SkyRL: `env_class` names the environment that scores a row, `reward_spec.ground_truth` is what it scores by."""
    spec = row.get("reward_spec")
    if not isinstance(spec, dict):
        raise BadRow("reward_spec", f"is a {json_type(spec)}", 'an object {"method": …, "ground_truth": …}')
    environment, truth = optional_string(row, "env_class"), spec.get("ground_truth")
    chat = one_user_message(row.get("prompt"), "prompt")
    if SKYRL_MATH.fullmatch(environment.lower()):
        kind, reference = Kind.MATH, key_of(truth, "reward_spec.ground_truth")
    elif environment in ("lcb", "livecodebench", "code"):
        kind = Kind.CODE
        reference = code_tests.reference_of_truth(truth, "reward_spec.ground_truth", chat[0])
    else:
        raise BadRow("env_class", f"{excerpt(environment)} is an environment that is not here", "gsm8k, aime or lcb")
    if context.kind and kind != context.kind:
        raise BadRow("env_class", f"is of kind {kind}, but problems.kind is {context.kind}", "one kind")
    extra = row.get("extra_info") or {}
    split = str(extra.get("split") or "") if isinstance(extra, dict) else ""
    return problem(row, context, kind, chat, reference, source=optional_string(row, "data_source"), split=split)


def read_nemo_gym(row: Row, context: RowContext) -> Problem:
    """NeMo-Gym: the request stands in `responses_create_params`; what it is scored by in `expected_answer`, with
    `options` for multiple choice, or in `verifier_metadata.unit_tests` for code."""
    request = row.get("responses_create_params")
    if not isinstance(request, dict):
        raise BadRow("responses_create_params", excerpt(request), 'an object {"input": …}')
    chat = one_user_message(request.get("input"), "responses_create_params.input")
    if not chat[1] and isinstance(request.get("instructions"), str):
        chat = (chat[0], request["instructions"])
    metadata = row.get("verifier_metadata") or {}
    reference: dict[str, Json]
    if not is_nothing(row.get("options")):
        kind = Kind.CHOICE
        texts, labels = read_options(row["options"], "options")
        reference = {"options": texts}
        if not is_nothing(row.get("expected_answer")):
            reference["answer"] = right_letter(row["expected_answer"], "expected_answer", texts, labels, "letter")
    elif isinstance(metadata, dict) and metadata.get("unit_tests") is not None:
        kind, field = Kind.CODE, "verifier_metadata.unit_tests"
        reference = code_tests.reference_of_truth(metadata["unit_tests"], field, chat[0])
    elif "expected_answer" in row or context.kind == Kind.MATH:
        kind, reference = Kind.MATH, key_of(row.get("expected_answer"), "expected_answer")
    else:
        known = "expected_answer, options or verifier_metadata.unit_tests"
        raise BadRow("expected_answer", "missing, and nothing else that is judged here is there", known)
    if context.kind and kind != context.kind:
        raise BadRow("", f"a row of kind {kind}, but problems.kind is {context.kind}", "one kind")
    return problem(row, context, kind, chat, reference)
