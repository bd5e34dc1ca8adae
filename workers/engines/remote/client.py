"""One attempt at an endpoint, through the `openai` package with its own retries switched off.

Promises: every request that carries messages passes `check_leave` here, and no other code sends any. Redirects are not
followed, since they could lead past that guard to any machine, and a loopback address is asked without a proxy. The key
comes from its environment variable and stands in no text that is raised. Whatever goes wrong is an AttemptError.
Does not: try again, wait, or count (workers.engines.openai_compatible does).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from verifiers.types import Json
from workers.engines.endpoint import EndpointKeys
from workers.engines.remote.answer import Answer, EventLines, take_data
from workers.engines.remote.confidential import check_leave
from workers.engines.remote.faults import AttemptError, Fault, Follows, cut, fault_of_status, redacted

CONNECT_S = 10.0
"""Seconds that a connection may take."""
LIST_S = 30.0
"""Seconds that a list of models may take."""
IDLE_S = 2.0
"""Seconds for which an idle connection is kept. Many servers close one after five, which a request must not meet."""
END_S = 1.0
"""Seconds that a server may take to end a stream after it has said that the answer is complete."""
NO_END = frozenset({"", "null", "none", "error", "abort", "aborted", "cancelled", "canceled"})
"""Finish reasons of answers that the server itself broke off."""
NO_KEY = "none"
"""What is sent as a key where the endpoint wants none; the package insists on one."""


class KeyMissingError(ValueError):
    """The environment variable that should hold the key is not set, or holds something else."""


def key_of(endpoint: EndpointKeys, environ: Mapping[str, str]) -> str:
    """The endpoint's key; empty where it wants none. Raises KeyMissingError."""
    name = endpoint.api_key_env
    if not name:
        return ""
    if not environ.get(name, "").strip():
        # A key that was pasted into the config would be shown by its name.
        shown = name if name == name.upper() else "the variable that it names"
        raise KeyMissingError(f"model.api_key_env: {shown} is not set in this environment; export the endpoint's key")
    key = environ[name].strip()
    if not all("!" <= char <= "~" for char in key):
        # It cannot stand in a header, and the packages would quote it where they say so.
        raise KeyMissingError(
            f"model.api_key_env: {name} holds more than a key: a line break, a blank or a letter that no key has; "
            "export the endpoint's key alone"
        )
    return key


class Client:
    """Connections to one endpoint. Belongs to one event loop."""

    def __init__(self, endpoint: EndpointKeys) -> None:
        """Raises KeyMissingError."""
        import httpx2
        import openai

        self._endpoint = endpoint
        self._key = key_of(endpoint, os.environ)
        self._http = openai.DefaultAsyncHttpxClient(
            base_url=endpoint.base_url,
            timeout=httpx2.Timeout(endpoint.timeout_s, connect=CONNECT_S, pool=None),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=IDLE_S),
            follow_redirects=False,
            trust_env=not endpoint.is_loopback,
        )
        self._openai = openai.AsyncOpenAI(
            api_key=self._key or NO_KEY, base_url=endpoint.base_url, max_retries=0, http_client=self._http
        )
        # The package would take these from the environment and send them to whatever endpoint it is given.
        self._openai.organization = self._openai.project = None

    async def models(self) -> Json:
        """The endpoint's list of models as it sends it. Raises AttemptError."""
        async with self._told():
            response = await self._http.get(
                f"{self._endpoint.base_url}/models", headers=self._openai.auth_headers, timeout=LIST_S
            )
            if response.status_code != 200:
                raise AttemptError(self._fault(response.status_code, response.headers, response.text))
            try:
                return response.json()
            except ValueError:
                raise AttemptError(Fault(Follows.SAMPLE, "its list of models is no JSON", status=200)) from None

    async def version(self) -> str:
        """The server's version, where it tells one as vLLM does; else empty."""
        root = self._endpoint.base_url.removesuffix("/v1")
        with contextlib.suppress(AttemptError, ValueError, AttributeError):
            async with self._told():
                response = await self._http.get(f"{root}/version", headers=self._openai.auth_headers, timeout=LIST_S)
                return str(response.json().get("version") or "") if response.status_code == 200 else ""
        return ""

    async def ask(
        self, body: Mapping[str, Json], confidential: bool | None, answer: Answer, alive: Callable[[], None]
    ) -> None:
        """Asks for one completion and puts what comes into `answer`, which holds what came so far where this is
        cancelled. `alive` is called for every sign of life. Raises AttemptError, ConfidentialError."""
        check_leave(self._endpoint, confidential)
        extra = {name: value for name, value in body.items() if name not in ("messages", "stream")}
        completions = self._openai.chat.completions.with_streaming_response
        async with (
            self._told(),
            completions.create(
                model=self._endpoint.model,
                messages=body["messages"],
                stream=bool(body.get("stream", False)),
                extra_body=extra,
            ) as response,
        ):
            alive()
            http = response.http_response
            if "text/event-stream" in http.headers.get("content-type", ""):
                await self._read_stream(http, answer, alive)
            else:
                answer.take(whole(await http.aread()))
        if answer.finish_reason.lower() in NO_END:
            raise cut(f"the answer ended without an end of its own (finish reason {answer.finish_reason!r})")

    async def _read_stream(self, http: Any, answer: Answer, alive: Callable[[], None]) -> None:
        lines, is_over = EventLines(), False
        try:
            async with asyncio.timeout(None) as patience:
                async for chunk in http.aiter_bytes():
                    alive()
                    if is_over:
                        continue  # a connection whose answer was read to its end can be used again
                    is_over = any(take_data(answer, data) for data in lines.feed(chunk))
                    if is_over:
                        patience.reschedule(asyncio.get_running_loop().time() + END_S)
        except TimeoutError:
            if not is_over:
                raise
        if not is_over:
            for data in lines.end():
                take_data(answer, data)

    @contextlib.asynccontextmanager
    async def _told(self) -> AsyncIterator[None]:
        """Turns what the packages raise into AttemptErrors."""
        import httpx2
        import openai

        try:
            yield
        except AttemptError as error:  # of an answer that was refused or broken while it was read
            raise AttemptError(self._without_key(error.fault)) from None
        except openai.APIStatusError as error:
            raise AttemptError(self._fault(error.status_code, error.response.headers, error.response.text)) from None
        except (openai.APIConnectionError, httpx2.TransportError, httpx2.DecodingError, OSError) as error:
            cause = error.__cause__ if isinstance(error, openai.APIConnectionError) and error.__cause__ else error
            reason = f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
            unmade = isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout)
            raise AttemptError(Fault(Follows.RETRY, redacted(reason, self._key), no_connection=unmade)) from None
        except openai.OpenAIError as error:
            reason = f"{type(error).__name__}: {error}"
            raise AttemptError(Fault(Follows.SAMPLE, redacted(reason, self._key))) from None

    def _fault(self, status: int, headers: Mapping[str, str], text: str) -> Fault:
        text = redacted(text, self._key)
        try:
            body = json.loads(text)
        except ValueError:
            body = text
        return self._without_key(fault_of_status(status, headers, body))

    def _without_key(self, fault: Fault) -> Fault:
        """The fault in a text that may be shown. An endpoint may repeat the key wherever it says what is wrong."""
        reason, parameter = redacted(fault.reason, self._key), redacted(fault.parameter, self._key)
        return dataclasses.replace(fault, reason=reason, parameter=parameter)

    async def close(self) -> None:
        await self._openai.close()


def whole(data: bytes) -> Json:
    """An answer that came in one piece. Raises AttemptError."""
    try:
        return json.loads(data)
    except ValueError:
        raise cut(f"the answer is no JSON: {data[:80]!r}") from None
