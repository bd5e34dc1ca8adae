"""An OpenAI-compatible endpoint without a model, as a program: it answers at once, or misbehaves on demand.

    python -m benchmarks.endpoint_stand_in [PORT]      prints its port, ends when its standard input is closed

`POST /control` with a JSON object sets how it behaves (the fields of Manners); `GET /seen` tells what it saw. The tests
of the remote engine and its benchmark use it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import sys
import time
from typing import Any

STATUS = {200: "OK", 307: "Temporary Redirect"}


@dataclasses.dataclass
class Manners:
    """How the endpoint behaves. `faults` has one entry for each of the next chat requests, `always` holds for the
    others: a status such as "429" or "429 after 2" (with Retry-After), "cut", "cut in a line", "reset", "hang",
    "error inside", "no finish", "garbage", "slow", "redirect URL"; empty = a good answer."""

    faults: list[str] = dataclasses.field(default_factory=list)
    always: str = ""
    key: str = ""
    models: list[str] = dataclasses.field(default_factory=lambda: ["stand-in"])
    lists_models: bool = True
    any_model: bool = False
    """Whether it answers for models that it does not have."""
    answers_as: str = ""
    owned_by: str = "somebody"
    context: int = 0
    fingerprint: str = "fp_1"
    refuses: list[str] = dataclasses.field(default_factory=list)
    """Fields of a request that it does not know."""
    refuses_texts: dict[str, str] = dataclasses.field(default_factory=dict)
    """A text → the fault, as in `faults`, of every request whose last message holds it."""
    text: str = ""
    """The answer; empty: what `answer_to` makes of prompt and seed."""
    thought: str = ""
    thought_field: str = "reasoning"
    """reasoning, reasoning_content, both, parts, or hidden."""
    finish_reason: str = "stop"
    usage: str = "right"
    """right, missing, zero, huge, negative or text."""
    tokens: int = 0
    """Tokens that the answer counts as; 0: one per word."""
    piece_tokens: int = 1
    token_s: float = 0.0
    first_s: float = 0.0
    busy_above: int = 0
    """Open requests above which it answers 429; 0: none."""


class Endpoint:
    def __init__(self) -> None:
        self.manners = Manners()
        self.clear()

    def clear(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.times: list[float] = []
        self.num_open = self.most_open = self.num_closed = self.num_answered = self.num_refused = 0

    def seen(self) -> dict[str, Any]:
        return {
            "bodies": self.bodies[-50:], "keys": self.keys[-50:], "times": self.times, "requests": len(self.times),
            "open": self.num_open, "most_open": self.most_open, "closed": self.num_closed,
            "answered": self.num_answered, "refused": self.num_refused,
        }  # fmt: skip

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *rows = head.decode("latin1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
                body = await reader.readexactly(int(headers.get("content-length") or 0))
                method, path, _ = line.split(" ", 2)
                if not await self.answer(method, path.partition("?")[0], headers, body, reader, writer):
                    break
        writer.close()

    async def answer(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Whether the connection may be used again."""
        manners = self.manners
        if path == "/control":
            self.manners = Manners(**json.loads(body))
            self.clear()
            return await send(writer, 200, {})
        if path == "/seen":
            return await send(writer, 200, self.seen())
        if path == "/version":
            return await send(writer, 200 if manners.owned_by == "vllm" else 404, {"version": "0.0.1"})
        if manners.key and headers.get("authorization") != f"Bearer {manners.key}":
            said = f"Incorrect API key provided: {headers.get('authorization')}"
            return await send(writer, 401, error(said, "invalid_api_key"))
        if path.endswith("/models"):
            row = {"object": "model", "owned_by": manners.owned_by, "max_model_len": manners.context or None}
            rows = [{"id": name, **row} for name in manners.models]
            return await send(writer, 200 if manners.lists_models else 404, {"object": "list", "data": rows})
        if not path.endswith("/chat/completions"):
            return await send(writer, 404, error(f"no route {method} {path}", "not_found"))
        self.times.append(time.time())
        self.keys.append(headers.get("authorization", ""))
        self.num_open += 1
        self.most_open = max(self.most_open, self.num_open)
        work = asyncio.ensure_future(self.complete(json.loads(body), writer))
        gone = asyncio.ensure_future(left(reader))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() or isinstance(work.exception(), ConnectionError):
                self.num_closed += 1
                return False
            return await work
        finally:
            self.num_open -= 1
            work.cancel()
            gone.cancel()

    async def complete(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        manners = self.manners
        self.bodies.append(body)
        fault, _, value = (manners.faults.pop(0) if manners.faults else manners.always).partition(" ")
        asked = body["messages"][-1]["content"]
        for text in filter(lambda text: text in asked, manners.refuses_texts):
            fault, _, value = manners.refuses_texts[text].partition(" ")
        if manners.busy_above and self.num_open > manners.busy_above:
            fault = "429"
        if fault.isdecimal():
            self.num_refused += 1
            further = [("Retry-After", value.removeprefix("after "))] if value.startswith("after ") else []
            return await send(writer, int(fault), error(*said_of(int(fault), value)), further)
        if fault == "redirect":
            return await send(writer, 307, {}, [("Location", value)])
        if fault == "reset":
            writer.transport.abort()
            return False
        if fault == "hang":
            await asyncio.Event().wait()
        if body.get("model") not in manners.models and not manners.any_model:
            return await send(writer, 404, error(f"The model `{body.get('model')}` does not exist.", "NotFoundError"))
        for name in manners.refuses:
            if name in body:
                text = f"Unsupported parameter: '{name}' is not supported with this model."
                text += " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
                return await send(writer, 400, error(text, "unsupported_parameter", name))
        return await self.say(body, f"{fault} {value}".strip(), writer)

    async def say(self, body: dict[str, Any], fault: str, writer: asyncio.StreamWriter) -> bool:
        """Sends the answer, whole or piece by piece; `fault` says where it breaks off."""
        manners = self.manners
        events = list(self.events(body))
        await asyncio.sleep(manners.first_s + (1.0 if fault == "slow" else 0.0))
        tokens = manners.tokens or 1
        if not body.get("stream"):
            await asyncio.sleep(tokens * manners.token_s)
            whole = json.dumps(self.whole(body)).encode()
            if fault:
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(whole)}\r\n\r\n".encode() + whole[:-20])
                await writer.drain()
                return False
            self.num_answered += 1
            return await send(writer, 200, self.whole(body))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(chunk(b": keep-alive\n\n"))
        for number, event in enumerate(events):
            if number == len(events) // 2 and fault in BROKEN:
                writer.write(BROKEN[fault])
                await writer.drain()
                return False
            if fault == "no finish" and event.get("choices") and event["choices"][0].get("finish_reason"):
                continue
            writer.write(chunk(line_of(event)))
            if manners.token_s:
                await writer.drain()
                await asyncio.sleep(manners.token_s * manners.piece_tokens)
        writer.write(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()
        self.num_answered += 1
        return True

    def parts(self, body: dict[str, Any]) -> tuple[str, str, int]:
        """Thought, answer, and the number of tokens of both."""
        manners = self.manners
        text = manners.text
        if not text:
            asked = json.dumps([body["messages"], body.get("seed")]).encode()
            text = answer_to(body["messages"][-1]["content"], hashlib.sha256(asked).digest()[0])
        tokens = manners.tokens or len(f"{manners.thought} {text}".split())
        return manners.thought, text, min(tokens, body.get("max_tokens") or tokens)

    def usage(self, body: dict[str, Any]) -> dict[str, Any] | None:
        thought, _, tokens = self.parts(body)
        prompt = sum(len(str(message["content"]).split()) for message in body["messages"]) + 4
        counts: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}
        if thought:
            counts["completion_tokens_details"] = {"reasoning_tokens": len(thought.split())}
        wrong = {"zero": 0, "huge": 10**9, "negative": -5, "text": "many"}
        if self.manners.usage in wrong:
            counts["completion_tokens"] = wrong[self.manners.usage]
        return None if self.manners.usage == "missing" else counts

    def message(self, thought: str, text: str | None) -> dict[str, Any]:
        field = self.manners.thought_field
        if field == "parts":
            parts: list[dict[str, Any]] = []
            parts += [{"type": "thinking", "thinking": [{"type": "text", "text": thought}]}] if thought else []
            return {"role": "assistant", "content": [*parts, *([{"type": "text", "text": text}] if text else [])]}
        found: dict[str, Any] = {"role": "assistant"}
        if text is not None:
            found["content"] = text
        if thought and field != "hidden":
            for name in ("reasoning", "reasoning_content") if field == "both" else (field,):
                found[name] = thought
        return found

    def about(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        model = self.manners.answers_as or body["model"]
        return {"id": "x", "object": kind, "created": 1, "model": model, "system_fingerprint": self.manners.fingerprint}

    def whole(self, body: dict[str, Any]) -> dict[str, Any]:
        thought, text, _ = self.parts(body)
        choice = {"index": 0, "message": self.message(thought, text), "finish_reason": self.manners.finish_reason}
        about = self.about("chat.completion", body)
        return {**about, "choices": [choice], "usage": self.usage(body)}

    def events(self, body: dict[str, Any]) -> Any:
        thought, text, _ = self.parts(body)
        about = self.about("chat.completion.chunk", body)

        def event(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
            return {**about, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}

        yield event({"role": "assistant", "content": ""})
        for piece in pieces(thought, self.manners.piece_tokens) if self.manners.thought_field != "hidden" else ():
            yield event(self.message(piece, None))
        per_piece = self.manners.piece_tokens
        for piece in pieces(text, per_piece):
            yield event(self.message("", piece))
        yield event({}, self.manners.finish_reason)
        if (body.get("stream_options") or {}).get("include_usage"):
            yield {**about, "choices": [], "usage": self.usage(body)}


def answer_to(prompt: str, dice: int) -> str:
    """A boxed number from 0 to 3. A prompt that is JSON says itself what is right, and how often the answer is."""
    if prompt.startswith("{"):
        task = json.loads(prompt)
        return str(task["answer"]) if dice < 256 * task["p"] else f"not {task['answer']} {dice}"
    return f"The answer is \\boxed{{{dice % 4}}}"


async def left(reader: asyncio.StreamReader) -> None:
    """Returns when the client has closed its side."""
    while not reader.at_eof():
        await asyncio.sleep(0.02)


def pieces(text: str, words: int) -> list[str]:
    parts = text.split(" ")
    chunks = [" ".join(parts[i : i + words]) for i in range(0, len(parts), words)] if text else []
    return [chunk + (" " if i < len(chunks) - 1 else "") for i, chunk in enumerate(chunks)]


def said_of(status: int, value: str) -> tuple[str, str]:
    if value == "long":
        return ("This model's maximum context length is 64 tokens. However, you requested 1040 tokens (40 in the "
                "messages, 1000 in the completion).", "context_length_exceeded")  # fmt: skip
    if value == "longer":
        return "This model's maximum context length is 64 tokens. However, your prompt contains 90 input tokens.", "x"
    if value == "credit":
        return "You exceeded your current quota, please check your plan.", "insufficient_quota"
    return f"told to say {status}", "told"


def error(message: str, code: Any, parameter: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code, "param": parameter}}


def line_of(event: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


BROKEN = {
    "cut": b"",
    "cut in a line": chunk(b'data: {"choi'),
    "garbage": chunk(b"data: {nonsense\n\n"),
    "error inside": chunk(line_of(error("the engine failed", 500))),
}
"""What is sent in the middle of a stream before it ends."""


async def send(writer: asyncio.StreamWriter, status: int, body: Any, headers: Any = ()) -> bool:
    data = json.dumps(body).encode()
    rows = [("Content-Type", "application/json"), ("Content-Length", str(len(data))), *headers]
    head = "".join(f"{name}: {value}\r\n" for name, value in rows)
    writer.write(f"HTTP/1.1 {status} {STATUS.get(status, 'told')}\r\n{head}\r\n".encode() + data)
    await writer.drain()
    return True


async def main() -> None:
    server = await asyncio.start_server(
        Endpoint().serve, "127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0, limit=64 << 20
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
