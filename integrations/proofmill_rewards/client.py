"""Asks a Proofmill service for verdicts (`POST /v1/verify`), so that no single text can end a training step.

    verdicts = verify([item("math", {"answer": "5"}, "So \\boxed{5}.")])
    verdicts[0].reward        # 1.0, 0.0, or None: nothing was decided, and the sample must be masked

Promises: one verdict per item, in order. An item that the service refuses, such as an over-long text, gets a verdict
`error` with the service's own reason, and the others are checked all the same. A service that is busy or restarts is
asked again for up to `patience_s`. Only `verified`, `refuted` and `malformed` have a reward.
Does not: guess. Where the service cannot be reached at all, or refuses the token, it raises ProofmillError.
Needs: the standard library and httpx; Python 3.10.

Settings come from the environment: PROOFMILL_URL, PROOFMILL_TOKEN, PROOFMILL_PATIENCE_S.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import math
import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

MAX_ITEMS = 2_000
"""Items per request. The service takes 10,000; smaller requests lose less to one refused item."""
MAX_BYTES = 16 << 20
"""Bytes of texts and references per request. The service takes 64 MiB."""
REQUEST_TIMEOUT_S = 600.0
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses of a service that is busy, restarts, or lost a gateway. A check is pure, so asking again is safe."""
ITEM_REFUSED = frozenset({400, 413, 422})
"""Statuses with which the service refuses what a request holds. One item may be to blame."""
REWARDS: Mapping[str, float | None] = {
    "verified": 1.0,
    "refuted": 0.0,
    "malformed": 0.0,
    "undecided": None,
    "unchecked": None,
    "error": None,
}
"""Reward by status. None: mask the sample. A reward of 0 for what was not decided teaches the model against right
answers, and lowers the baseline of its group."""

log = logging.getLogger("proofmill_rewards")

Item = dict[str, Any]


class ProofmillError(RuntimeError):
    """The service cannot be used as it is configured, or was out of reach for `patience_s`."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Where the service is. `patience_s`: seconds for which a busy or unreachable service is asked again."""

    url: str = "http://127.0.0.1:8000"
    token: str = dataclasses.field(default="", repr=False)
    patience_s: float = 600.0

    @classmethod
    def from_environment(cls) -> Settings:
        return cls(
            os.environ.get("PROOFMILL_URL", cls.url),
            os.environ.get("PROOFMILL_TOKEN", ""),
            float(os.environ.get("PROOFMILL_PATIENCE_S", cls.patience_s)),
        )

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the service says of one text."""

    status: str
    reason: str
    row: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """The whole verdict, as the service gave it."""

    @property
    def reward(self) -> float | None:
        """None for what was not decided, and for a status that this version does not know."""
        return REWARDS.get(self.status)


def item(kind: str, reference: Any, text: Any, finish_reason: str | None = None, prompt: str | None = None) -> Item:
    """One text to check. `reference` is an object, its JSON text, or a bare answer. `finish_reason` is the engine's
    word for why the text ended: a text that was cut off must not be rewarded for a draft."""
    problem: Item = {"kind": kind, "reference": reference_of(reference)}
    if prompt is not None:
        problem["prompt"] = prompt
    found: Item = {"problem": problem, "text": text_of(text)}
    if finish_reason is not None:
        found["finish_reason"] = finish_reason
    return found


def reference_of(value: Any) -> dict[str, Any]:
    """A problem's reference as an object. Table formats fill columns that a row lacks with None, and pandas with NaN;
    these are left out, since their names in Python would be right answers. Such a problem has no answer key."""
    if isinstance(value, str):
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
        value = parsed if isinstance(parsed, dict) else {"answer": value}
    if isinstance(value, Mapping):
        return {name: part for name, part in value.items() if part is not None}
    is_gap = value is None or (isinstance(value, float) and math.isnan(value))
    return {} if is_gap else {"answer": str(value)}


def text_of(completion: Any) -> str:
    """Plain text, or the content of a conversation's last message. Half characters, which JSON text can carry and UTF-8
    cannot, are left out: a tokenizer may cut a character in two."""
    while not isinstance(completion, str):
        if isinstance(completion, Mapping):
            completion = completion.get("content") or ""
        elif isinstance(completion, Sequence) and completion:
            completion = completion[-1]
        else:
            completion = "" if completion is None or isinstance(completion, Sequence) else str(completion)
    return completion.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")


def verify(items: Sequence[Item], settings: Settings | None = None) -> list[Verdict]:
    """The verdicts of `items`, in order. Raises ProofmillError."""
    settings = settings or Settings.from_environment()
    verdicts: list[Verdict] = []
    with httpx.Client(base_url=settings.url, headers=settings.headers(), timeout=REQUEST_TIMEOUT_S) as client:
        for batch in batches(items):
            verdicts += _ask(client, batch, settings)
    return verdicts


async def verify_async(items: Sequence[Item], settings: Settings | None = None) -> list[Verdict]:
    """`verify` for an event loop; the batches of one call are asked for side by side. Raises ProofmillError."""
    settings = settings or Settings.from_environment()
    limits = httpx.Limits(max_connections=8)
    async with httpx.AsyncClient(
        base_url=settings.url, headers=settings.headers(), timeout=REQUEST_TIMEOUT_S, limits=limits
    ) as client:
        answers = await asyncio.gather(*(_ask_async(client, batch, settings) for batch in batches(items)))
    return [verdict for answer in answers for verdict in answer]


class Batcher:
    """Joins single checks of one event loop into requests, for trainers that ask sample by sample.

        batcher = Batcher()
        verdict = await batcher.verify(item(…))

    A check waits at most `wait_s` for others to come with it."""

    def __init__(self, settings: Settings | None = None, wait_s: float = 0.02, max_items: int = 256) -> None:
        self._settings = settings or Settings.from_environment()
        self._wait_s = wait_s
        self._max_items = max_items
        self._waiting: list[tuple[Item, asyncio.Future[Verdict]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def verify(self, one: Item) -> Verdict:
        """Raises ProofmillError."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Verdict] = loop.create_future()
        self._waiting.append((one, answer))
        if len(self._waiting) >= self._max_items:
            self._send()
        elif self._timer is None:
            self._timer = loop.call_later(self._wait_s, self._send)
        return await answer

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        if waiting:
            task = asyncio.get_running_loop().create_task(self._answer(waiting))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _answer(self, waiting: list[tuple[Item, asyncio.Future[Verdict]]]) -> None:
        try:
            verdicts = await verify_async([one for one, _ in waiting], self._settings)
        except BaseException as error:
            for _, answer in waiting:
                if not answer.done():
                    answer.set_exception(error if isinstance(error, Exception) else ProofmillError(repr(error)))
            if not isinstance(error, Exception):
                raise
            return
        for (_, answer), verdict in zip(waiting, verdicts, strict=True):
            if not answer.done():
                answer.set_result(verdict)


def batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    """`items` in order, in requests of bounded size. An item above the bound goes alone."""
    batch: list[Item] = []
    size = 0
    for one in items:
        length = len(json.dumps(one, ensure_ascii=False, default=str).encode("utf-8", "replace"))
        if batch and (len(batch) >= MAX_ITEMS or size + length > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += length
    if batch:
        yield batch


def _ask(client: httpx.Client, batch: Sequence[Item], settings: Settings) -> list[Verdict]:
    patience = Patience(settings.patience_s)
    while True:
        try:
            response: httpx.Response | None = client.post("/v1/verify", json={"items": list(batch)})
            wait_s = patience.after(response)
        except httpx.TransportError as error:
            response, wait_s = None, patience.after(error)
        if wait_s is None:
            break
        time.sleep(wait_s)
    assert response is not None
    if response.status_code in ITEM_REFUSED and len(batch) > 1:
        # Halving finds the items that are to blame, and has all others checked.
        half = len(batch) // 2
        return _ask(client, batch[:half], settings) + _ask(client, batch[half:], settings)
    return verdicts_of(response, len(batch))


async def _ask_async(client: httpx.AsyncClient, batch: Sequence[Item], settings: Settings) -> list[Verdict]:
    patience = Patience(settings.patience_s)
    while True:
        try:
            response: httpx.Response | None = await client.post("/v1/verify", json={"items": list(batch)})
            wait_s = patience.after(response)
        except httpx.TransportError as error:
            response, wait_s = None, patience.after(error)
        if wait_s is None:
            break
        await asyncio.sleep(wait_s)
    assert response is not None
    if response.status_code in ITEM_REFUSED and len(batch) > 1:
        half = len(batch) // 2
        return await _ask_async(client, batch[:half], settings) + await _ask_async(client, batch[half:], settings)
    return verdicts_of(response, len(batch))


class Patience:
    """How long to wait before a request is sent again."""

    def __init__(self, patience_s: float) -> None:
        self._until = time.monotonic() + patience_s
        self._attempt = 0

    def after(self, outcome: httpx.Response | httpx.TransportError) -> float | None:
        """Seconds to wait before the next try; None: this response is the answer. Raises ProofmillError."""
        is_response = isinstance(outcome, httpx.Response)
        if is_response and outcome.status_code not in RETRIED:
            return None
        self._attempt += 1
        wait_s = min(2.0 ** (self._attempt - 1), 30.0) * random.uniform(0.5, 1.0)
        if is_response:
            asked = outcome.headers.get("Retry-After", "")
            wait_s = float(asked) if asked.replace(".", "", 1).isdigit() else wait_s
        if time.monotonic() + wait_s > self._until:
            what = reason_of(outcome) if is_response else f"{type(outcome).__name__}: {outcome}"
            raise ProofmillError(f"the Proofmill service did not answer, {self._attempt} tries: {what}")
        log.warning("Proofmill: try %d in %.1f s", self._attempt + 1, wait_s)
        return wait_s


def verdicts_of(response: httpx.Response, count: int) -> list[Verdict]:
    """Raises ProofmillError for what no item is to blame for."""
    if response.status_code in ITEM_REFUSED and count == 1:
        reason = f"the service refused this item: {reason_of(response)}"
        log.warning("Proofmill: %s", reason)
        return [Verdict("error", reason)]
    if response.status_code != 200:
        raise ProofmillError(f"Proofmill at {response.request.url}: {reason_of(response)}")
    rows = response.json()["verdicts"]
    if len(rows) != count:
        raise ProofmillError(f"Proofmill gave {len(rows)} verdicts for {count} items")
    return [Verdict(row["status"], row.get("reason") or "", row) for row in rows]


def reason_of(response: httpx.Response) -> str:
    """The service's own reason (RFC 9457), or the beginning of the answer."""
    try:
        body = response.json()
        told = body.get("detail") or body.get("title") or "" if isinstance(body, dict) else ""
        if isinstance(body, dict) and body.get("errors"):
            told = f"{told} {json.dumps(body['errors'])[:300]}"
    except ValueError:
        told = response.text[:300]
    return f"HTTP {response.status_code} {told}".strip()
