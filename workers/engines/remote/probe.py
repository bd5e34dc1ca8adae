"""What can be known of an endpoint before a run sends it work: its list of models, and one short trial answer.

Promises: an endpoint that cannot be reached, a key that it refuses and a model that it does not have are one error
each, in the words of the config. The trial asks in the way of the run, so that a sampling key that the endpoint refuses
is found too.
Does not: measure the endpoint, or send it any problem.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from runstore.schema import Messages
from verifiers import thoughts
from verifiers.types import Json
from workers.engines.base import EngineSettings, GenerationRequest, ModelLoadError, SamplingParameters
from workers.engines.remote.answer import Answer
from workers.engines.remote.client import Client
from workers.engines.remote.faults import AttemptError, Fault, Follows
from workers.engines.remote.request_body import Habits, body_for, learned_from, named_in, without_equivalent

TRIAL: Messages = (("user", "Answer with one number: 2 + 2?"),)
TRIAL_TOKENS = 16
"""Longest answer to a trial. Some models refuse to answer in less."""
TRIES = 8
"""Most trials, where an endpoint has habits of its own."""
NAMES_SHOWN = 8


class EndpointError(ModelLoadError):
    """The endpoint cannot serve the run, and another start would not change that."""


class EndpointUnreachableError(EndpointError):
    """The endpoint does not answer now."""


@dataclasses.dataclass(slots=True)
class Found:
    """What is known of an endpoint."""

    server: str
    """vllm, sglang or api."""
    version: str = ""
    context: int = 0
    """Tokens; 0: it does not say."""
    model: str = ""
    """The model that its answer names."""
    fingerprint: str = ""
    opening: str = ""
    """The opening mark of a thought with which the server's prompts end."""
    no_thought: bool = False
    """Whether they end with a thought that is closed already: thinking is switched off."""
    habits: Habits = dataclasses.field(default_factory=Habits)
    names: tuple[str, ...] = ()
    """The models that it lists; empty: it lists none."""


async def find_out(
    client: Client, settings: EngineSettings, samplings: Iterable[SamplingParameters] = (SamplingParameters(),)
) -> Found:
    """Asks the endpoint for its models, and once in the way of each of `samplings`. Raises EndpointError."""
    found = await listed(client, settings)
    if found.server == "api" and settings.chat_template_kwargs:
        raise EndpointError(
            f"model.chat_template_kwargs: the endpoint {settings.base_url} is taken for an API without chat formats of "
            "its models; leave it out, or set model.server to vllm or sglang if it is one behind a gateway"
        )
    for sampling in samplings:
        if names := without_equivalent(found.server, sampling):
            raise EndpointError(
                f"{', '.join(f'sampling.{name}' for name in names)}: the endpoint {settings.base_url} has no such key "
                f"(it is taken for {shown_server(found.server)}); leave it out, or set model.server if it is another"
            )
        await try_out(client, settings, sampling, found)
    return found


async def listed(client: Client, settings: EngineSettings) -> Found:
    """What the list of models tells. Raises EndpointError."""
    server: str = settings.server
    try:
        rows = models_of(await client.models())
    except AttemptError as error:
        if error.fault.status in (0, 401, 403) or error.fault.follows is Follows.OVERLOAD:
            raise refusal(error.fault, settings, ()) from None
        return Found("api" if server == "auto" else server)  # not every API has such a list
    names = tuple(str(row["id"]) for row in rows if row.get("id"))
    row = next((row for row in rows if row.get("id") == settings.model), {})
    owner = str((row or next(iter(rows), {})).get("owned_by") or "").lower()
    if server == "auto":
        server = owner if owner in ("vllm", "sglang") else "api"
    context = row.get("max_model_len") or row.get("context_length") or row.get("context_window") or 0
    version = await client.version() if server == "vllm" else ""
    return Found(server, version, context if isinstance(context, int) else 0, names=names)


def models_of(answer: Json) -> list[Mapping[str, Json]]:
    """The rows of a list of models, which some endpoints send without the object around it."""
    rows = answer.get("data", answer.get("models")) if isinstance(answer, dict) else answer
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def trial_request(sampling: SamplingParameters) -> GenerationRequest:
    """The trial in a way of sampling."""
    short = sampling.model_copy(update={"max_tokens": TRIAL_TOKENS, "stop": (), "thinking_tokens": 0})
    return GenerationRequest("trial", short, messages=TRIAL, seed=1, confidential=False)


async def try_out(client: Client, settings: EngineSettings, sampling: SamplingParameters, found: Found) -> None:
    """One short answer, which fills in what `found` lacks. Raises EndpointError."""
    request = trial_request(sampling)
    for _ in range(TRIES):
        body = body_for(request, settings, found.server, found.habits)
        if found.server == "vllm":
            body["return_prompt_text"] = True
        answer = Answer()
        try:
            await client.ask(body, False, answer, lambda: None)
        except AttemptError as error:
            fault = error.fault
            learned = learned_from(fault.parameter, fault.reason, body, found.habits)
            if learned is None or fault.status not in (400, 422):
                raise refusal(fault, settings, found.names, sampling, body) from None
            found.habits = learned
            continue
        check_model(answer.model, settings, found.names)
        found.model, found.fingerprint = answer.model or settings.model, answer.fingerprint
        if answer.prompt_text:
            tail = thoughts.read_prompt_tail(answer.prompt_text)
            found.opening, found.no_thought = tail.opening, tail.is_closed
        return
    raise EndpointError(f"model.base_url = {settings.base_url!r}: it refused {TRIES} trials for different reasons")


def check_model(answered: str, settings: EngineSettings, names: tuple[str, ...]) -> None:
    """Raises EndpointError where another model answered than the one that was asked."""
    asked = settings.model
    if not names or asked in names or not answered or answered.startswith(asked) or answered.endswith(f"/{asked}"):
        return
    raise EndpointError(
        f"model.model = {asked!r}: the endpoint {settings.base_url} does not have it and let {answered!r} answer; "
        f"{known(names, asked)}"
    )


def refusal(
    fault: Fault,
    settings: EngineSettings,
    names: tuple[str, ...],
    sampling: SamplingParameters | None = None,
    body: Mapping[str, Any] | None = None,
) -> EndpointError:
    """A fault in the words of the config."""
    url, variable = settings.base_url, settings.api_key_env
    if not fault.status and fault.follows is Follows.RETRY:
        return EndpointUnreachableError(f"model.base_url = {url!r}: the endpoint does not answer: {fault.reason}")
    if fault.status in (401, 403):
        if not variable:
            return EndpointError(f"model.api_key_env is not set, and the endpoint {url} wants a key: {fault.reason}")
        return EndpointError(
            f"model.api_key_env = {variable!r}: the endpoint {url} refuses the key in {variable} (wrong, expired or "
            f"without the right to this model): {fault.reason}"
        )
    if fault.status == 404:
        return EndpointError(
            f"model.model = {settings.model!r}: the endpoint {url} does not have it ({fault.reason}); "
            f"{known(names, settings.model)}"
        )
    if fault.follows in (Follows.LOST, Follows.NO_CREDIT):
        return EndpointError(f"model.base_url = {url!r}: the endpoint refuses all requests: {fault.reason}")
    if fault.follows is Follows.OVERLOAD:
        wait = f"; it asks to wait {fault.wait_s:g} s" if fault.wait_s else ""
        return EndpointUnreachableError(
            f"model.base_url = {url!r}: the endpoint takes no requests now: {fault.reason}{wait}"
        )
    fields = SamplingParameters.model_fields
    wrong = [name for name in named_in(f"{fault.parameter} {fault.reason}", list(body or ())) if name in fields]
    if wrong and sampling is not None:
        return EndpointError(
            f"sampling.{wrong[0]} = {getattr(sampling, wrong[0])!r}: the endpoint {url} refuses it: {fault.reason}"
        )
    return EndpointError(f"model.base_url = {url!r}: the endpoint refuses a trial: {fault.reason}")


def known(names: tuple[str, ...], asked: str) -> str:
    """The models to choose from, for an error."""
    if not names:
        return "ask its operator for the name, and give the address up to the version, as in …/v1"
    near = difflib.get_close_matches(asked, names, 1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"{meant}It has {', '.join(names[:NAMES_SHOWN])}{more}"


def shown_server(server: str) -> str:
    return {"vllm": "a vLLM server", "sglang": "an SGLang server"}.get(server, "an API without such keys")
