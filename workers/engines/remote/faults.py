"""What went wrong with a request, and what follows from it: try again, wait, give this one sample up, or give the
endpoint up.

    status or code                                    follows
    429, 503, 529                                     overload: fewer requests at once, wait, try again
    no connection, cut answers, 408, 409, 425, 5xx    try again, later each time
    400 for a prompt that is too long                 the sample is data: it does not fit the context
    401, 403, 404, 405, 410, 501, a redirect          refused: about all requests, unless others are answered
    other 4xx                                         refused: about this sample, unless no other is answered
    402, an account without credit                    the endpoint is lost, since only money would help

No status tells a key that has expired from a text that a filter does not let through: both come as 400 and as 403. What
else the endpoint answers decides (workers.engines.openai_compatible).

Promises: a text for people holds nothing of the request and never the endpoint's key (`redacted`). What the server says
of waiting (Retry-After in seconds, as a date, or in milliseconds) and of retrying (x-should-retry) goes before our own
rules.
Does not: sleep or count attempts (workers.engines.openai_compatible does).
"""

from __future__ import annotations

import dataclasses
import email.utils
import random
import re
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from verifiers.types import Json

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
"""Longest wait between two attempts where the server names none."""
MAX_REASON_CHARS = 500
LEAST_SHOWN = 4
"""Characters of a key's beginning that are taken for it. Fewer say nothing of the key."""
OVERLOADED = frozenset({429, 503, 529})
PASSING = frozenset({408, 409, 425})
"""Refusals that a later attempt may not meet."""
HOPELESS = frozenset({401, 403, 404, 405, 410, 501})
PAYMENT_REQUIRED = 402
NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_credits",
             "insufficient balance", "exceeded your current quota", "credit balance is too low",
             "out of credits")  # fmt: skip
"""How endpoints say that an account has no credit, under whatever status."""
TOO_LONG = re.compile(
    r"context_length_exceeded|string_above_max_length|maximum context length|context window|context length|"
    r"prompt is too long|input is too long|too many tokens|max_model_len|longer than the model",
    re.IGNORECASE,
)


class Follows(StrEnum):
    """What follows from a fault."""

    OVERLOAD = "overload"
    RETRY = "retry"
    SAMPLE = "sample"
    TOO_LONG = "too long"
    LOST = "lost"
    NO_CREDIT = "no credit"


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One failed attempt."""

    follows: Follows
    reason: str
    """For people."""
    wait_s: float | None = None
    """How long the server asks to wait, in seconds."""
    status: int = 0
    """The HTTP status; 0: there was none."""
    parameter: str = ""
    """The parameter that the endpoint objects to, where it names one."""
    no_connection: bool = False
    """Whether no connection was made. One that breaks later says nothing about how busy the endpoint is: servers close
    connections that stand idle."""


class AttemptError(Exception):
    """An attempt failed."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


def cut(reason: str) -> AttemptError:
    """The answer ended before it was complete."""
    return AttemptError(Fault(Follows.RETRY, reason))


def fault_of_status(status: int, headers: Mapping[str, str], body: Json, now: float | None = None) -> Fault:
    """The fault that a refusal is; `body` is its JSON, or its text."""
    message, code, parameter = message_of(body)
    said = f"{message} ({code})" if code and code not in message else message
    reason = f"HTTP {status}: {said}"[:MAX_REASON_CHARS] if said else f"HTTP {status}"
    wait_s = retry_after_s(headers, time.time() if now is None else now)
    follows = follows_from(status, f"{code} {message}", headers.get("x-should-retry", ""))
    return Fault(follows, reason, wait_s, status, parameter)


def follows_from(status: int, said: str, should_retry: str = "") -> Follows:
    """What follows from a status and the server's words."""
    lower = said.lower()
    if any(words in lower for words in NO_CREDIT):
        return Follows.NO_CREDIT
    if status in OVERLOADED:
        return Follows.OVERLOAD
    if should_retry.lower() == "true":
        return Follows.RETRY
    if status == PAYMENT_REQUIRED:
        return Follows.NO_CREDIT
    if status in HOPELESS:
        return Follows.LOST
    if should_retry.lower() == "false":
        return Follows.SAMPLE
    if status in PASSING or status >= 500:
        return Follows.RETRY
    if status in (400, 413, 422) and TOO_LONG.search(said):
        return Follows.TOO_LONG
    if 300 <= status < 400:
        return Follows.LOST  # a redirect is not followed: it may lead to any other machine
    return Follows.SAMPLE


def message_of(body: Json) -> tuple[str, str, str]:
    """What an error's body says: its message, its code or type, and the parameter that it names. Endpoints nest them in
    different ways."""
    error: Any = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, list) and error:
        error = error[0]
    if not isinstance(error, dict):
        return one_line(str(error or "")), "", ""
    message = error.get("message") or error.get("detail") or error.get("msg") or ""
    if isinstance(message, list) and message and isinstance(message[0], dict):  # as FastAPI tells what is invalid
        place = ".".join(str(part) for part in message[0].get("loc", ()))
        message = f"{place}: {message[0].get('msg', '')}"
    code = error.get("code") or error.get("type") or ""
    return one_line(str(message)), str(code), str(error.get("param") or "")


def one_line(text: str) -> str:
    return " ".join(text.split())


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """How long the server asks to wait, in seconds; None: it does not say. `now` is in seconds since the epoch.

    >>> retry_after_s({"retry-after": "7"}, 0.0), retry_after_s({"retry-after-ms": "250"}, 0.0)
    (7.0, 0.25)
    >>> retry_after_s({"retry-after": "Thu, 01 Jan 1970 00:00:30 GMT"}, 10.0), retry_after_s({}, 0.0)
    (20.0, None)
    """
    for name, divisor in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if not text:
            continue
        try:
            seconds = float(text) / divisor
        except ValueError:
            try:
                seconds = email.utils.parsedate_to_datetime(text).timestamp() - now
            except (TypeError, ValueError):
                continue
        if 0 <= seconds < float("inf"):
            return seconds
    return None


def back_off_s(attempt: int, dice: random.Random) -> float:
    """Seconds to wait after the failed attempt of this number, from 1. A random part keeps requests that failed
    together from coming back together."""
    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempt - 1, 20))
    return longest * (0.5 + 0.5 * dice.random())


def redacted(text: str, key: str) -> str:
    """`text` without the endpoint's key, nor the beginning of it where the text was shortened.

    >>> redacted("no key sk-secret here", "sk-secret"), redacted("bad: 'no key sk-sec'", "sk-secret")
    ('no key … here', "bad: 'no key …'")
    """
    if not key:
        return text
    text = text.replace(key, "…")
    quotes = len(text) - len(text.rstrip("'\""))
    body, end = text[: len(text) - quotes], text[len(text) - quotes :]
    for length in range(len(key) - 1, LEAST_SHOWN - 1, -1):
        if body.endswith(key[:length]):
            return f"{body[:-length]}…{end}"
    return text
