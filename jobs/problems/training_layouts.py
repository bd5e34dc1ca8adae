"""Layouts of training and serving files: verl Parquet and OpenAI batch JSONL."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.problems import canonical, code_tests
from jobs.problems.choices import listed_choice
from jobs.problems.errors import BadRow
from jobs.problems.rows import RowContext, answer_text, identity, key_of_any, load_json, optional_string, some, string
from verifiers.kinds import KINDS
from verifiers.reference_fields import excerpt, json_type
from verifiers.types import Json, Kind, Problem

Row = Mapping[str, Json]


def read_verl(row: Row, context: RowContext) -> Problem:
    """verl: `prompt` is a list of messages, `reward_model.ground_truth` the answer; for code a JSON object of `inputs`
    and `outputs`, with `fn_name` where a function is called."""
    prompt, system = one_user_message(row.get("prompt"), "prompt")
    reward = row.get("reward_model")
    if not isinstance(reward, dict):
        raise BadRow("reward_model", excerpt(reward), 'an object {"style": …, "ground_truth": …}')
    truth = reward.get("ground_truth")
    extra = row.get("extra_info") or {}
    if not isinstance(extra, dict):
        raise BadRow("extra_info", f"is a {json_type(extra)}", "an object")
    ability = optional_string(row, "ability")
    kind = context.kind or kind_of_ability(ability, truth)
    if kind == Kind.CODE:
        reference = code_tests.reference_of_truth(truth, "reward_model.ground_truth", prompt, extra.get("prefix"))
    elif kind == Kind.MATH:
        # Scorers of this form that read a list, Skywork-OR1's and DeepScaleR's, accept any answer of it.
        reference = key_of_any(truth, "reward_model.ground_truth")
    elif kind == Kind.CHOICE:
        reference = listed_choice(prompt, truth, "reward_model.ground_truth")
    else:
        raise BadRow("ability", f"verl rows of kind {kind} carry no reference to check against", "kind math or code")
    return Problem(
        id=context.made_id,
        kind=kind,
        prompt=prompt,
        reference=reference,
        domain=ability,
        source=optional_string(row, "data_source"),
        split=str(extra.get("split") or ""),
        meta=some(system=system, index=extra.get("index")),
    )


def kind_of_ability(ability: str, truth: Json) -> Kind:
    name = ability.lower()
    if "math" in name:
        return Kind.MATH
    if "cod" in name or "program" in name:
        return Kind.CODE
    if name == Kind.CHOICE:
        return Kind.CHOICE
    if not name and isinstance(truth, str | int | float) and not str(truth).lstrip().startswith("{"):
        return Kind.MATH
    raise BadRow("ability", f"{excerpt(ability)} does not tell the kind", 'set problems.kind to "math" or "code"')


def one_user_message(messages: Json, field: str) -> tuple[str, str]:
    """(user text, system text) of a chat with one user turn, of its JSON text, or of a text alone. Raises BadRow for
    anything longer: its context would be lost."""
    if isinstance(messages, str):
        text = string({field: messages}, field).strip()
        messages = chat_in(text)
        if messages is None:
            return text, ""
    if not isinstance(messages, list) or not messages:
        raise BadRow(field, excerpt(messages), 'a list of messages [{"role": "user", "content": "…"}]')
    system, user = "", ""
    for index, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        where = f"{field}[{index}]"
        if role in ("system", "developer") and index == 0:
            system = message_text(message, where)
        elif role == "user" and not user:
            user = message_text(message, where)
        else:
            raise BadRow(where, excerpt(message), "at most one system message, then one user message")
    if not user:
        raise BadRow(field, "no user message", 'a message {"role": "user", "content": "…"}')
    return user, system


def chat_in(text: str) -> Json:
    """The messages that a text holds as JSON, None where it is something else: a prompt may well begin with `[`."""
    if not text.startswith("["):
        return None
    try:
        found = load_json(text)
    except (ValueError, RecursionError):
        return None
    is_chat = isinstance(found, list) and found and all(isinstance(one, dict) and "role" in one for one in found)
    return found if is_chat else None


def message_text(message: Row, field: str) -> str:
    content = message.get("content")
    if isinstance(content, list):  # the parts of a multi-modal message; only text can be asked
        parts = [
            part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in content
        ]
        if not all(isinstance(part, str) for part in parts):
            raise BadRow(f"{field}.content", excerpt(content), "text parts only")
        content = "".join(part for part in parts if part)
    return string({"content": content}, "content").strip()


def read_openai_batch(row: Row, context: RowContext) -> Problem:
    """OpenAI batch requests. They carry no answers, so `body.proofmill` ({"kind", "reference", "domain"}) or, within
    what the API itself allows, `body.metadata` ({"kind", "answer"} or {"kind", "reference": JSON text}) says how to
    check."""
    body = row.get("body")
    if not isinstance(body, dict):
        raise BadRow("body", excerpt(body), "the request, an object")
    prompt, system = one_user_message(body.get("messages", body.get("prompt")), "body.messages")
    field = "body.proofmill" if body.get("proofmill") is not None else "body.metadata"
    checks = body.get("proofmill", body.get("metadata"))
    if checks is None and context.kind:
        checks = {}
    if not isinstance(checks, dict):
        raise BadRow(
            field, "says nothing to check the answer against", '{"kind": "math", "reference": {"answer": "5"}}'
        )
    kind = context.kind or known_kind(checks.get("kind"), f"{field}.kind")
    reference: dict[str, Json] = {}
    if checks.get("reference") is not None:
        reference = canonical.object_field(checks["reference"], f"{field}.reference")
    elif checks.get("answer") is not None:
        reference = {"answer": answer_text(checks["answer"], f"{field}.answer")}
    return Problem(
        id=identity(row, "custom_id", context),
        kind=kind,
        prompt=prompt,
        reference=reference,
        domain=optional_string(checks, "domain"),
        source="openai batch",
        meta=some(system=system),
    )


def known_kind(value: Json, field: str) -> str:
    if not isinstance(value, str) or value not in KINDS:
        raise BadRow(
            field, "missing" if value is None else excerpt(value), f"one of {', '.join(KINDS)}, or set problems.kind"
        )
    return value
