"""An endpoint's answer, taken together piece by piece: from the lines of a stream, or from one JSON object.

Promises: the texts of thought and answer stay apart and in the order in which they came; an answer that ends without a
finish reason is never taken for a whole one; an error inside a stream is an error; an answer of any size is read up to
MAX_BYTES.
Does not: send anything, or join thought and answer (workers.engines.remote.thoughts does).
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from verifiers.types import Json
from workers.engines.remote.faults import AttemptError, Fault, Follows, cut, fault_of_status

MAX_BYTES = 256 << 20
"""Longest answer that is read. It bounds what a broken endpoint may send."""
DONE = b"[DONE]"
THOUGHT_FIELDS = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
"""Fields in which servers send a thought; the first one that holds text counts, since some send it twice."""
THOUGHT_PARTS = frozenset({"thinking", "reasoning", "reasoning_text", "thought"})
"""Types of content parts that are thought, where the content is a list."""


@dataclasses.dataclass(slots=True)
class Answer:
    """What has come so far."""

    parts: list[tuple[bool, list[str]]] = dataclasses.field(default_factory=list)
    """(whether it is thought, pieces of its text), in the order in which they came."""
    finish_reason: str = ""
    usage: Mapping[str, Json] | None = None
    model: str = ""
    fingerprint: str = ""
    logprobs: list[float] = dataclasses.field(default_factory=list)
    token_ids: list[int] = dataclasses.field(default_factory=list)
    prompt_ids: list[int] = dataclasses.field(default_factory=list)
    prompt_text: str = ""
    num_bytes: int = 0
    """Bytes of text, thought included."""
    first_at: float = 0.0
    """When the first piece came (monotonic seconds); 0: none has."""

    @property
    def has_thought(self) -> bool:
        """Whether a thought came in a field of its own."""
        return any(is_thought for is_thought, _ in self.parts)

    def text(self, is_thought: bool) -> str:
        return "".join("".join(pieces) for thought, pieces in self.parts if thought is is_thought)

    def take(self, event: Json) -> None:
        """Adds one object of a stream, or the one of an answer without a stream. Raises AttemptError."""
        if not isinstance(event, dict):
            raise cut(f"the answer is no JSON object: {str(event)[:100]!r}")
        if event.get("error"):
            raise AttemptError(fault_in_stream(event))
        self.first_at = self.first_at or time.monotonic()
        if isinstance(event.get("usage"), dict):
            self.usage = event["usage"]
        self.model = str(event.get("model") or self.model)
        self.fingerprint = str(event.get("system_fingerprint") or self.fingerprint)
        self.prompt_text = str(event.get("prompt_text") or self.prompt_text)
        if isinstance(event.get("prompt_token_ids"), list):
            self.prompt_ids = event["prompt_token_ids"]
        choices = event.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            self._take_choice(choices[0])

    def _take_choice(self, choice: Mapping[str, Json]) -> None:
        message = choice.get("delta") or choice.get("message") or {}
        if isinstance(message, dict):
            for is_thought, text in texts_of(message):
                self._add(is_thought, text)
        if choice.get("finish_reason"):
            self.finish_reason = str(choice["finish_reason"])
        if isinstance(choice.get("token_ids"), list):
            self.token_ids += choice["token_ids"]
        logprobs = choice.get("logprobs")
        for token in (logprobs.get("content") or ()) if isinstance(logprobs, dict) else ():
            if isinstance(token, dict) and isinstance(token.get("logprob"), int | float):
                self.logprobs.append(float(token["logprob"]))

    def _add(self, is_thought: bool, text: str) -> None:
        self.num_bytes += len(text.encode(errors="replace"))
        if self.num_bytes > MAX_BYTES:
            raise AttemptError(Fault(Follows.SAMPLE, f"the endpoint sent more than {MAX_BYTES >> 20} MiB of text"))
        if self.parts and self.parts[-1][0] is is_thought:
            self.parts[-1][1].append(text)
        else:
            self.parts.append((is_thought, [text]))


def texts_of(message: Mapping[str, Json]) -> Iterator[tuple[bool, str]]:
    """(whether it is thought, text) of a message or a piece of one."""
    for name in THOUGHT_FIELDS:
        if isinstance(message.get(name), str) and message[name]:
            yield True, message[name]
            break
    content = message.get("content")
    if isinstance(content, str) and content:
        yield False, content
    for part in content if isinstance(content, list) else ():
        yield from part_texts(part)


def part_texts(part: Any) -> Iterator[tuple[bool, str]]:
    """The same of one part of a content that is a list, as Mistral sends it."""
    if isinstance(part, str):
        yield False, part
        return
    if not isinstance(part, dict):
        return
    is_thought = part.get("type") in THOUGHT_PARTS
    inner = next((part[name] for name in ("text", "thinking", "reasoning") if part.get(name)), "")
    if isinstance(inner, list):
        inner = "".join(text for each in inner for _, text in part_texts(each))
    if isinstance(inner, str) and inner:
        yield is_thought, inner


def fault_in_stream(event: Mapping[str, Json]) -> Fault:
    """The fault that an error inside a stream is. Its code may be a status, as a number or as text."""
    error = event["error"]
    code = str((error.get("code") or error.get("status")) if isinstance(error, dict) else "")
    status = int(code) if code.isdecimal() and 100 <= int(code) <= 599 else 500
    fault = fault_of_status(status, {}, event)
    return dataclasses.replace(fault, reason=fault.reason.replace(f"HTTP {status}", "an error inside the answer", 1))


class EventLines:
    """Cuts a stream of server-sent events into the data of its events, however its bytes arrive."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of every event that is complete with these bytes."""
        lines = (self._rest + chunk).split(b"\n") if self._rest else chunk.split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_BYTES:
            raise AttemptError(Fault(Follows.SAMPLE, "the endpoint sent a line without an end"))
        for line in lines:
            line = line.rstrip(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
            elif not line and self._data:
                data, self._data = b"\n".join(self._data), []
                yield data

    def end(self) -> Iterator[bytes]:
        """The event that a server did not end with an empty line."""
        yield from self.feed(b"\n\n")


def take_data(answer: Answer, data: bytes) -> bool:
    """Adds the data of one event; returns whether it was the mark of the end. Raises AttemptError."""
    if data == DONE:
        return True
    try:
        answer.take(json.loads(data))
    except ValueError:
        raise cut(f"the stream broke off inside a piece: {data[:80]!r}") from None
    return False
