"""The engine `openai`: samples from an OpenAI-compatible endpoint, a vLLM or SGLang server or a giant's API.

    request ──► pause (Retry-After) ──► adaptive limit ──► caps per minute ──► guard ──► endpoint
                      ▲                                                                     │ answer, usage
                      └── try again, later each time ◄── overload, cut, no connection ──────┘

Promises: at most `max_concurrency` requests are open, and fewer while the endpoint refuses some or becomes slow; the
caps per minute hold for retries too; only what may pass is tried again; an abort closes the request. A refusal ends its
sample only where the endpoint answers others, and loses the endpoint only where it refuses a trial too. Texts are those
that the same model would have left in process: a thought that came in a field of its own stands between the marks of
its style. An endpoint without a sign of life for `lost_s` raises EndpointLostError out of every request.
Does not: promise that a sample can be drawn again from its seed (Ability.SEED), whatever the endpoint says.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import logging
import random
import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

import pydantic

from runstore.schema import Messages
from verifiers import thoughts
from verifiers.finish_reasons import map_finish_reason
from verifiers.types import Json
from workers.engines.base import (
    CutOffError,
    EndpointLostError,
    Engine,
    EngineAbilityError,
    EngineSettings,
    EngineStartError,
    Generation,
    GenerationRequest,
    NotDrawnError,
    PromptPreview,
    SamplingParameters,
)
from workers.engines.remote.answer import Answer
from workers.engines.remote.client import Client, KeyMissingError
from workers.engines.remote.concurrency import AdaptiveLimit
from workers.engines.remote.faults import AttemptError, Fault, Follows, back_off_s
from workers.engines.remote.life import Life
from workers.engines.remote.probe import (
    TRIAL,
    TRIAL_TOKENS,
    EndpointUnreachableError,
    Found,
    find_out,
    trial_request,
)
from workers.engines.remote.rate_limits import RateLimits, Ticket
from workers.engines.remote.request_body import (
    ABILITIES,
    OWN_KEYS,
    body_for,
    learned_from,
    without_equivalent,
)
from workers.engines.remote.thoughts import DEFAULT_STYLE, HIDDEN, is_hidden, joined
from workers.engines.remote.usage import Usage, most_prompt_tokens, read_usage
from workers.engines.rendering import Prompt, text_to_store
from workers.engines.thinking import marks_of

log = logging.getLogger("proofmill.engine.openai")

MOST_FAILURES = 8
"""Failures of one request at an endpoint that answers others, after which the sample ends as an error."""
MOST_REFUSALS = {Follows.SAMPLE: 1, Follows.LOST: 6}
"""Refusals of one request at an endpoint that answers others, after which the sample ends as an error. A single refusal
of the kind that usually concerns every request may be of a machine behind the endpoint that knows no key yet."""
PROMPTS_KNOWN = 4096
"""Prompts whose number of tokens is remembered."""
BYTES_GUESSED = 3
"""Bytes of text per token, where a guess is all there is."""
KEY_FIELDS = frozenset({"api_key", "apikey", "authorization", "access_token", "token", "secret", "password"})
"""Names of further fields that would hold a key."""
FIRST_CHARS = 300
REVISIONS_KEPT = 50


class SampleRefusedError(NotDrawnError):
    """The endpoint did not draw this one sample; the text says why."""


class FurtherFields(pydantic.BaseModel):
    """Fields of the request's body that this engine does not know, such as reasoning_effort; they are sent as they
    are."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _further_ones_only(cls, arguments: Any) -> Any:
        for name in arguments:
            if name in OWN_KEYS:
                raise ValueError(f"{name} is set by other keys of the config, those of [sampling] and [model]")
            if name.lower().replace("-", "_") in KEY_FIELDS:
                raise ValueError(
                    f"{name} would be stored with the config; put the key into an environment variable and name that "
                    "in model.api_key_env"
                )
        return arguments


@dataclasses.dataclass(slots=True, eq=False)
class Running:
    """A request that was not answered yet."""

    request: GenerationRequest
    task: asyncio.Task[Generation] | None = None
    answer: Answer = dataclasses.field(default_factory=Answer)
    """What came of the attempt under way."""
    is_unwanted: bool = False
    body: dict[str, Json] = dataclasses.field(default_factory=dict)
    began: float = 0.0
    """When the last attempt was sent (monotonic seconds); 0: none was."""
    attempts: int = 0
    """Attempts that failed."""
    failures: int = 0
    """Those of them that failed while the endpoint answered others."""
    refusals: int = 0
    """Attempts that were refused while the endpoint answered others."""
    wasted_prompt_tokens: int = 0
    wasted_completion_tokens: int = 0
    """Tokens of attempts that were cut off, and of trials that were asked for its sake."""
    max_tokens: int = 0
    """The longest answer that is asked for; it becomes smaller where the context leaves less room."""


class OpenAIEngine(Engine):
    """An endpoint, asked through the `openai` package."""

    name = "openai"
    is_remote = True
    Arguments = FurtherFields

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        known = settings.server if settings.server != "auto" else ""
        # What an endpoint is that is not named is found out when it is asked, which is before a run begins.
        self.abilities = ABILITIES[known] if known else ABILITIES["vllm"]
        self._marks = marks_of(settings.thinking) if settings.thinking else None
        self._limit = AdaptiveLimit(settings.max_concurrency)
        self._rates: RateLimits | None = None
        self._client: Client | None = None
        self._found = Found(known or "api")
        self._life = Life(settings.lost_s)
        self._running: dict[str, Running] = {}
        self._prompt_tokens: collections.OrderedDict[Messages, int] = collections.OrderedDict()
        self._dice = random.Random()
        self._counts: collections.Counter[str] = collections.Counter()
        self._revisions: collections.Counter[str] = collections.Counter()
        self._first: dict[str, str] = {}
        """What was counted → the first case of it."""
        self._parses_thoughts = False
        """Whether the server sends thoughts in a field of their own."""
        self._speed = 0.0
        """Tokens per second of the last answer."""
        self._closing: asyncio.Task[None] | None = None
        self._trying = asyncio.Lock()
        self._tried_at = -1.0
        """When the last trial was sent that has been decided (monotonic seconds)."""

    def preview(self, messages: Messages) -> PromptPreview:
        """See Engine.preview."""
        return PromptPreview(unknown="the endpoint renders them by its own chat format")

    def try_out(self, samplings: Iterable[SamplingParameters]) -> dict[str, Json]:
        """See Engine.try_out. One list of models and a trial answer of a few tokens per way of sampling."""

        async def tried() -> Found:
            client = self._open()
            try:
                return await find_out(client, self.settings, samplings)
            finally:
                await client.close()

        self._found = asyncio.run(tried())
        self.abilities = ABILITIES[self._found.server]
        return self.facts()

    async def start(self) -> None:
        """Finds out what the endpoint is. Waits for one that does not answer. Raises EngineStartError,
        EndpointLostError."""
        self._client = self._open()
        requests, tokens = self.settings.requests_per_minute, self.settings.tokens_per_minute
        self._rates = RateLimits(requests, tokens, pause_s=self._life.pause_s)
        await self._rates.take(min(2 * TRIAL_TOKENS, tokens))  # the trial counts too
        while True:
            try:
                self._found = await find_out(self._client, self.settings)
                break
            except EndpointUnreachableError as error:
                if self._life.failed():
                    raise EndpointLostError(str(error)) from None
                log.warning("%s", error)
                await asyncio.sleep(back_off_s(self._life.num_failures, self._dice))
        self._life.alive()
        found = self._found
        self.abilities = ABILITIES[found.server]
        self.version = f"{found.server} {found.version}".strip()
        self.revision = revision_of(found.model, found.fingerprint)
        self.max_model_len = self.settings.max_model_len or found.context

    def _open(self) -> Client:
        try:
            return Client(self.settings)
        except KeyMissingError as error:
            raise EngineStartError(str(error)) from None

    def most_at_once(self) -> int | None:
        """See Engine.most_at_once."""
        return self._limit.room

    def facts(self) -> dict[str, Json]:
        """See Engine.facts: what the endpoint said of itself, and what was strange about its answers."""
        found = self._found
        return {
            "server": found.server,
            "server_version": found.version,
            "context": found.context,
            "model": found.model,
            "fingerprint": found.fingerprint,
            "reproducible": False,
            "revisions": dict(self._revisions),
            "hides_thoughts": self._counts["hidden thoughts"] > 0,
            "noticed": dict(self._counts),
            "first": dict(self._first),
        }

    async def generate(self, request: GenerationRequest) -> Generation:
        """See Engine.generate. Raises SampleRefusedError, CutOffError and ConfidentialError for this one sample."""
        self._check(request)
        running = self._running[request.id] = Running(request, max_tokens=request.sampling.max_tokens)
        running.task = asyncio.ensure_future(self._draw(running))
        try:
            return await running.task
        except asyncio.CancelledError:
            if running.is_unwanted and running.task.cancelled():
                return self._aborted(running)
            running.task.cancel()
            raise
        except NotDrawnError as error:
            error.wasted_prompt_tokens = running.wasted_prompt_tokens
            error.wasted_completion_tokens = running.wasted_completion_tokens
            raise
        finally:
            if self._running.get(request.id) is running:
                del self._running[request.id]

    def _check(self, request: GenerationRequest) -> None:
        if names := without_equivalent(self._found.server, request.sampling):
            raise EngineAbilityError(f"the endpoint has no key for {', '.join(f'sampling.{name}' for name in names)}")
        self.require(request.needs())

    async def _draw(self, running: Running) -> Generation:
        """Asks until an answer comes, or until it is clear that none will."""
        queued = time.monotonic()
        while True:
            fault = await self._attempt(running)
            if fault is None:
                return self._generation(running, queued)
            if fault.follows is Follows.TOO_LONG:
                if not self._ask_for_less(running, fault):
                    return self._does_not_fit(running, fault)
            elif fault.follows in MOST_REFUSALS:
                if not self._learn(running, fault):
                    await self._weigh(running, fault)
            else:
                await asyncio.sleep(self._wait_s(running, fault))
            if self.settings.returns_cut and may_be_paid(running, fault):
                raise CutOffError(f"the answer was cut off: {fault.reason}")

    async def _attempt(self, running: Running) -> Fault | None:
        """Sends the request once. Returns what went wrong; None: nothing did."""
        assert self._client is not None
        assert self._rates is not None
        request = running.request
        number = await self._limit.enter()
        ticket: Ticket | None = None
        used = 0
        try:
            ticket = await self._rates.take(self._most_tokens(running))
            running.body = self._body(running)
            running.answer, running.began = Answer(), time.monotonic()
            used = ticket.tokens  # until it is known that it was less: what is cut may be drawn to its end
            await self._client.ask(running.body, request.confidential, running.answer, lambda: self._heard(running))
            self._life.answered(running.began)
            used = self._usage(running).total
            first = running.answer.first_at
            self._limit.succeeded(number, first - running.began if first and self.settings.stream else None)
            return None
        except AttemptError as error:
            fault = error.fault
            used = 0 if fault.status and not running.answer.num_bytes else used  # a refusal draws nothing
            self._count_waste(running)
            if fault.follows is Follows.OVERLOAD or fault.no_connection:
                self._limit.refused(number)
            return fault
        finally:
            self._limit.leave()
            if ticket is not None:
                self._rates.settle(ticket, used)

    def _heard(self, running: Running) -> None:
        self._life.alive()
        if running.answer.num_bytes:
            self._life.answered(running.began)

    async def _weigh(self, running: Running, fault: Fault) -> None:
        """A refusal: is it about this sample alone, or about every request? What else is answered tells. Returns where
        the request is to be sent again. Raises SampleRefusedError and EndpointLostError."""
        self._note("refusals", fault.reason)
        running.attempts += 1
        is_lost = self._life.asks_to_wait(fault.wait_s)
        await asyncio.sleep(back_off_s(running.attempts, self._dice))
        if not self._life.answers_since(running.began):
            await self._try_for(running)
        if self._life.answers_since(running.began):
            running.refusals += 1
            if running.refusals >= MOST_REFUSALS[fault.follows]:
                raise SampleRefusedError(f"the endpoint refuses this sample, while it answers others: {fault.reason}")
        elif self._life.refused() or is_lost:
            raise EndpointLostError(f"the endpoint {self.settings.base_url} is lost: {fault.reason}")

    async def _try_for(self, running: Running) -> None:
        """Sends the trial in this sample's way of sampling. One trial answers for every request that was sent before
        it."""
        assert self._client is not None
        assert self._rates is not None
        async with self._trying:
            if self._tried_at >= running.began:
                return
            request, answer = trial_request(running.request.sampling), Answer()
            body = body_for(request, self.settings, self._found.server, self._found.habits)
            sent = time.monotonic()
            most = most_prompt_tokens(TRIAL) + TRIAL_TOKENS
            await self._limit.enter()
            try:
                await self._rates.take(min(most, self.settings.tokens_per_minute or most))
                sent = time.monotonic()
                await self._client.ask(body, False, answer, self._life.alive)
                self._life.answered(sent)
                self._tried_at = sent
            except AttemptError as error:
                if error.fault.status:
                    self._tried_at = sent
            finally:
                self._limit.leave()
            if answer.num_bytes:
                usage = read_usage(answer.usage, answer.num_bytes, TRIAL, TRIAL_TOKENS)
                running.wasted_prompt_tokens += usage.prompt_tokens
                running.wasted_completion_tokens += usage.completion_tokens

    def _count_waste(self, running: Running) -> None:
        """An attempt failed. What came of its answer is paid for, and counts with the most that it can have cost."""
        answer, messages = running.answer, running.request.messages
        if answer.num_bytes:
            usage = read_usage(answer.usage, answer.num_bytes, messages, running.max_tokens)
            running.wasted_prompt_tokens += usage.prompt_tokens
            running.wasted_completion_tokens += usage.completion_tokens

    def _most_tokens(self, running: Running) -> int:
        """The most tokens that a request can take, for the cap per minute."""
        messages = running.request.messages
        prompt = self._prompt_tokens.get(messages) or most_prompt_tokens(messages)
        return prompt + (running.max_tokens or max(0, self.max_model_len - prompt))

    def _wait_s(self, running: Running, fault: Fault) -> float:
        """How long to wait before the next attempt. Raises EndpointLostError and SampleRefusedError."""
        self._note("overloads" if fault.follows is Follows.OVERLOAD else "retries", fault.reason)
        running.attempts += 1
        failed = self._life.refused if fault.follows is Follows.NO_CREDIT else self._life.failed
        if failed(fault.wait_s):
            raise EndpointLostError(f"the endpoint {self.settings.base_url} is lost: {fault.reason}")
        if fault.follows is Follows.RETRY and self._life.was_seen_since(running.began):
            running.failures += 1
            if running.failures >= MOST_FAILURES:
                raise SampleRefusedError(f"{running.failures} attempts at this sample failed; the last: {fault.reason}")
        log.debug("request %s: %s", running.request.id, fault.reason)
        return back_off_s(running.attempts, self._dice)

    def _learn(self, running: Running, fault: Fault) -> bool:
        """Whether a refusal shows how to ask instead, as for a field that may be left out."""
        if fault.status not in (400, 422):
            return False
        if learned := learned_from(fault.parameter, fault.reason, running.body, self._found.habits):
            self._found.habits = learned
            return True
        return self._body(running) != running.body  # another request has learned it meanwhile

    def _body(self, running: Running) -> dict[str, Json]:
        asked = running.request
        if running.max_tokens != asked.sampling.max_tokens:
            sampling = asked.sampling.model_copy(update={"max_tokens": running.max_tokens})
            asked = dataclasses.replace(asked, sampling=sampling)
        return body_for(asked, self.settings, self._found.server, self._found.habits)

    def _ask_for_less(self, running: Running, fault: Fault) -> bool:
        """Whether the prompt fits and leaves room for a shorter answer, as a model in process would give it."""
        prompt, context = numbers_in(fault.reason)
        context = context or self.max_model_len
        room = context - prompt if prompt and context else 0
        if 0 < room < running.max_tokens:
            running.max_tokens = room
            return True
        return False

    def _does_not_fit(self, running: Running, fault: Fault) -> Generation:
        """Data, not a fault: the problem does not fit this model's context."""
        prompt, _ = numbers_in(fault.reason)
        tokens = prompt or most_prompt_tokens(running.request.messages)
        return Generation(
            *("", "length", tokens),
            thought_tokens=0,
            answer_tokens=0,
            wasted_prompt_tokens=running.wasted_prompt_tokens,
            wasted_completion_tokens=running.wasted_completion_tokens,
        )

    def _usage(self, running: Running) -> Usage:
        answer, messages = running.answer, running.request.messages
        usage = read_usage(answer.usage, answer.num_bytes, messages, running.max_tokens)
        if usage.fault:
            self._note("usage not believed", usage.fault)
        else:
            self._prompt_tokens[messages] = usage.prompt_tokens
            if len(self._prompt_tokens) > PROMPTS_KNOWN:
                self._prompt_tokens.popitem(last=False)
        return usage

    def _generation(self, running: Running, queued: float) -> Generation:
        answer, request, now = running.answer, running.request, time.monotonic()
        usage = read_usage(answer.usage, answer.num_bytes, request.messages, running.max_tokens)
        finish = self._finish_reason(answer.finish_reason)
        text = self._text(request, answer, finish)
        hidden = is_hidden(answer, text, usage.thought_tokens)
        if hidden:
            self._note("hidden thoughts", f"{usage.thought_tokens:,} tokens of thought are counted and not shown")
        revision = revision_of(answer.model or self._found.model, answer.fingerprint)
        known = revision in self._revisions or len(self._revisions) < REVISIONS_KEPT
        self._revisions[revision if known else "others"] += 1
        self._speed = usage.completion_tokens / max(now - running.began, 1e-3)
        thought = usage.thought_tokens
        return Generation(
            text=text,
            finish_reason=finish,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            mean_logprob=sum(answer.logprobs) / len(answer.logprobs) if answer.logprobs else None,
            queue_s=running.began - queued,
            generation_s=now - running.began,
            logprobs=tuple(answer.logprobs) if request.logprobs else None,
            opened_thought=bool(self._found.opening) and not request.prefix,
            thought_tokens=thought,
            answer_tokens=None if thought is None else usage.completion_tokens - thought,
            wasted_prompt_tokens=running.wasted_prompt_tokens,
            wasted_completion_tokens=running.wasted_completion_tokens,
            thought_closed_by=HIDDEN if hidden else "model" if thoughts.split(text, finish).closed else None,
            revision=revision,
        )

    def _text(self, request: GenerationRequest, answer: Answer, finish: str) -> str:
        """The sample's text as a model in process would have left it."""
        found = self._found
        if request.prefix:
            return joined(answer, self._marks)
        if answer.has_thought:
            self._parses_thoughts = True
            return joined(answer, self._marks, found.opening)
        if self._parses_thoughts and found.opening:
            # The server has taken the thought out, so the mark that its prompt opened is closed again.
            return found.opening + (self._marks or marks_of(DEFAULT_STYLE)).closing + answer.text(False)
        return text_to_store(answer.text(False), Prompt([], found.opening, found.no_thought), self._marks, finish)

    def _finish_reason(self, said: str) -> str:
        """An endpoint's finish reason in our words. Every end that is none of the model's own is a cut."""
        mapped = map_finish_reason(said)
        if mapped.name in ("stop", "length", "repetition"):
            return mapped.name
        if mapped.name not in ("max_tokens", "max_output_tokens", "max_length", "limit"):
            self._note("finish reasons", f"{said!r}, which is read as a text that was cut off")
        return "length"

    def _aborted(self, running: Running) -> Generation:
        """What is known of a sample whose request was closed. A server that draws on unheard has its costs counted as
        far as they can be guessed."""
        if not running.began:
            return Generation("", "abort")
        prompt, drawn = self._guess(running)
        seconds = time.monotonic() - running.began
        return Generation(
            "",
            "abort",
            prompt,
            drawn,
            generation_s=seconds,
            wasted_prompt_tokens=running.wasted_prompt_tokens,
            wasted_completion_tokens=running.wasted_completion_tokens,
        )

    def _guess(self, running: Running) -> tuple[int, int]:
        """The tokens of prompt and answer of an attempt that did not come to its end: those that the endpoint has
        counted so far, or else a guess."""
        answer, messages = running.answer, running.request.messages
        if answer.usage is not None:
            usage = read_usage(answer.usage, answer.num_bytes, messages, running.max_tokens)
            return usage.prompt_tokens, usage.completion_tokens
        prompt = self._prompt_tokens.get(messages) or most_prompt_tokens(messages) // BYTES_GUESSED
        if self.settings.stream or answer.num_bytes:
            drawn = -(-answer.num_bytes // BYTES_GUESSED)
        else:
            drawn = int((time.monotonic() - running.began) * self._speed)
        return prompt, min(drawn, running.max_tokens or drawn)

    def _note(self, what: str, case: str) -> None:
        """Counts something strange, and says it once."""
        self._counts[what] += 1
        if what not in self._first:
            self._first[what] = case[:FIRST_CHARS]
            log.warning("%s: the first of the %s: %s", self.settings.base_url, what, case)

    async def abort(self, request_ids: Sequence[str]) -> None:
        """Closes running requests; unknown ids do nothing."""
        for request_id in request_ids:
            if (running := self._running.get(request_id)) is not None and running.task is not None:
                running.is_unwanted = True
                running.task.cancel()

    def stop(self) -> None:
        """Closes every request."""
        for running in list(self._running.values()):
            if running.task is not None:
                running.task.cancel()
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(RuntimeError):  # no loop runs any more, and its connections ended with it
                self._closing = asyncio.get_running_loop().create_task(client.close())


def may_be_paid(running: Running, fault: Fault) -> bool:
    """Whether an endpoint may charge for an attempt that failed so: something of its answer came, or the connection
    broke after the request was sent."""
    return bool(running.answer.num_bytes) or not (fault.status or fault.no_connection)


def revision_of(model: str, fingerprint: str) -> str:
    """What a row calls the revision of a remote model: what the endpoint says of it."""
    return f"{model}@{fingerprint}" if fingerprint else model


_PROMPT = re.compile(
    r"([\d,]+)(?: input)? tokens? in (?:the )?(?:messages|prompt)|([\d,]+) in the (?:messages|prompt)|"
    r"prompt contains (?:at least )?([\d,]+)|([\d,]+) (?:input|prompt) tokens",
    re.IGNORECASE,
)
_CONTEXT = re.compile(r"context (?:length|window|size)[^\d]{0,40}([\d,]+)", re.IGNORECASE)


def numbers_in(reason: str) -> tuple[int, int]:
    """The tokens of the prompt and of the context that an error names; 0: it does not name them.

    >>> numbers_in("This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (1000 in "
    ...            "the messages, 8000 in the completion).")
    (1000, 8192)
    >>> numbers_in("the input is too long")
    (0, 0)
    """
    prompt, context = _PROMPT.search(reason), _CONTEXT.search(reason)
    return as_number(prompt), as_number(context)


def as_number(match: re.Match[str] | None) -> int:
    text = next((group for group in match.groups() if group), "") if match else ""
    return int(text.replace(",", "") or 0)
