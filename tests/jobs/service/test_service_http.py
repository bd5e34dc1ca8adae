"""The HTTP interface over checkers in this process: answers, order, errors, limits, access. No Ray."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import pytest

from jobs.config import ConfigError, load_config
from jobs.service.access import Access, Admission, Bucket, Tokens
from jobs.service.app import build_app
from jobs.service.gateway import Gateway
from jobs.service.http_errors import HttpProblem
from jobs.service.schemas import ProblemBody, VerifyRequest, problems_of
from jobs.service.settings import Token, check_service_config, load_service_config, new_token, token_digest
from jobs.service.verifying import Check, Checked, LocalVerifiers, VerifierLost, check_all, encode
from verifiers.checker import Checkers
from verifiers.types import Kind, Limits, Problem, Status, Verdict

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class EchoVerifiers:
    """Stands for the replicas: a text is right when it ends with the reference. Can be told to lose chunks."""

    num_replicas = 2

    def __init__(self) -> None:
        self.calls = 0
        self.limits: list[tuple] = []
        self.lose: set[int] = set()
        self.poison = ""
        self.gate: asyncio.Event | None = None

    async def check(self, chunk: Sequence[Check]) -> list[Checked]:
        self.calls += 1
        call = self.calls
        if self.gate:
            await self.gate.wait()
        await asyncio.sleep(random.random() * 0.003)
        if call in self.lose or (self.poison and any(self.poison in check.text for check in chunk)):
            raise VerifierLost("gone")
        self.limits += [check.limits for check in chunk]
        return [encode(self.verdict(check)) for check in chunk]

    def verdict(self, check: Check) -> Verdict:
        right = check.text.endswith(str(check.problem.reference["answer"]))
        evidence = {"text": check.text[:100], "ratio": float("nan")}
        status = Status.VERIFIED if right else Status.REFUTED
        return Verdict(status, "echo", evidence, "echo", "1", 0.001, Limits())

    async def ready(self) -> bool:
        return True


TOKEN, _ = new_token("trainer")
KNOWN = {"k-1": Problem("k-1", Kind.MATH, "1+1?", {"answer": "2"})}


def config(**sections):
    table = {"tokens": [{"name": "trainer", "sha256": token_digest(TOKEN), "items_per_s": 1e6, "requests_per_s": 1e6}]}
    return check_service_config({**table, **sections}, "test")


def gateway(**sections) -> Gateway:
    return Gateway(config(**sections), EchoVerifiers(), KNOWN)


def client_of(gateway: Gateway, token: str = TOKEN) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(build_app(gateway), raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)


def item(answer: int, text: int | str) -> dict:
    problem = {"id": f"p{answer}", "kind": "math", "prompt": "?", "reference": {"answer": str(answer)}}
    return {"problem": problem, "text": str(text)}


async def post(client: httpx.AsyncClient, body: object, **kwargs) -> httpx.Response:
    return await client.post("/v1/verify", json=body, **kwargs)


def problem_of(response: httpx.Response, status: int, kind: str) -> dict:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["type"] == f"urn:proofmill:problem:{kind}" and body["status"] == status and body["title"]
    return body


async def test_verdicts_come_in_order_inline_and_by_id() -> None:
    async with client_of(gateway()) as client:
        items = [item(n, n if n % 3 else "wrong") for n in range(200)]
        items.insert(7, {"problem_id": "k-1", "text": "it is 2"})
        response = await post(client, {"items": items})
        assert response.status_code == 200, response.text
        verdicts = response.json()["verdicts"]
    assert [verdict["evidence"]["text"] for verdict in verdicts] == [one["text"] for one in items]
    assert verdicts[7]["status"] == "verified" and verdicts[0]["status"] == "refuted"
    assert verdicts[0]["evidence"]["ratio"] == "nan"  # and so the answer is JSON


@pytest.mark.parametrize("path", ["runs", "files", "batches", "runs/x", "runs/x/samples", "runs/x/log"])
async def test_an_unknown_parameter_of_the_query_is_refused(path: str) -> None:
    """It used to be ignored: a client that wrote `lmit=1` got a page of twenty."""
    async with client_of(gateway()) as client:
        body = problem_of(await client.get(f"/v1/{path}", params={"lmit": "1"}), 422, "invalid-request")
        assert body["error"]["param"] == "lmit"
        known = await client.get(f"/v1/{path}", params={"limit": "1"} if path in ("runs", "files", "batches") else {})
        assert known.status_code != 422, known.text
    async with client_of(gateway(), token="") as client:
        problem_of(await client.get(f"/v1/{path}", params={"lmit": "1"}), 401, "unauthorized")


async def test_the_finish_reason_of_an_item_reaches_the_checker() -> None:
    problem = {"kind": "choice", "reference": {"options": ["red", "green", "blue"], "answer": "C"}}
    known = {"k-2": Problem("k-2", Kind.CHOICE, "-", problem["reference"])}
    checks = LocalVerifiers(Checkers(), 1)
    ends = [{}, {"finish_reason": None}, {"finish_reason": "stop"}, {"finish_reason": "length"}]
    items = [
        {**who, "text": "Answer: C", **end} for who in ({"problem": problem}, {"problem_id": "k-2"}) for end in ends
    ]
    items.append({"problem": problem, "text": "<think>Answer: C", "finish_reason": "stop"})
    try:
        async with client_of(Gateway(config(), checks, known)) as client:
            verdicts = (await post(client, {"items": items})).json()["verdicts"]
            problem_of(await post(client, {"items": [{**items[0], "finish_reason": 3}]}), 422, "invalid-request")
    finally:
        checks.close()
    statuses = [verdict["status"] for verdict in verdicts]
    assert statuses == ["verified", "verified", "verified", "malformed"] * 2 + ["malformed"]


async def test_ten_thousand_items_are_streamed_in_order() -> None:
    async with client_of(gateway()) as client:
        body = {"items": [item(n, n) for n in range(10_000)], "stream": True}
        async with client.stream("POST", "/v1/verify", json=body) as response:
            assert response.headers["content-type"].startswith("application/x-ndjson")
            texts = [json.loads(line)["evidence"]["text"] async for line in response.aiter_lines()]
    assert texts == [str(n) for n in range(10_000)]


async def test_concurrent_requests_are_not_crossed() -> None:
    async with client_of(gateway()) as client:

        async def one(number: int) -> None:
            texts = [f"{number}/{index}" for index in range(random.randint(1, 90))]
            response = await post(client, {"items": [item(0, text) for text in texts]})
            assert [verdict["evidence"]["text"] for verdict in response.json()["verdicts"]] == texts

        await asyncio.gather(*(one(number) for number in range(50)))


async def test_lost_replicas_cost_nothing_and_a_killer_text_only_its_own_verdict() -> None:
    at = gateway()
    verifiers = at.verifiers
    assert isinstance(verifiers, EchoVerifiers)
    verifiers.lose = {1, 3}
    verifiers.poison = "killer"
    async with client_of(at) as client:
        items = [item(n, "killer" if n == 40 else n) for n in range(100)]
        verdicts = (await post(client, {"items": items})).json()["verdicts"]
    assert [v["status"] for v in verdicts] == ["error" if n == 40 else "verified" for n in range(100)]
    assert verdicts[40]["reason"] == "verifier lost"


async def test_limits_reach_the_checker_and_are_capped() -> None:
    at = gateway()
    async with client_of(at) as client:
        assert (await post(client, {"items": [item(1, 1)], "limits": {"wall_s": 2.5}})).status_code == 200
        too_much = await post(client, {"items": [item(1, 1)], "limits": {"wall_s": 1e6}})
    assert at.verifiers.limits == [(("wall_s", 2.5),)]
    assert problem_of(too_much, 422, "invalid-request")["errors"][0]["pointer"] == "/limits/wall_s"


@pytest.mark.parametrize("token", ["", "pm_wrong", TOKEN + "x", "é"], ids=["none", "wrong", "longer", "not ASCII"])
async def test_a_wrong_token_is_refused_before_the_body_is_read(token: str) -> None:
    at = gateway()
    header = {"Authorization": f"Bearer {token}".encode()} if token else {}
    async with client_of(at, token="") as client:
        response = await client.post("/v1/verify", content=b"x" * 1000, headers=header)
    problem_of(response, 401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_every_known_token_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack is timing: an early exit tells how far down the list a token, or its prefix, is found."""
    from jobs.service import access

    compared = []
    real = access.hmac.compare_digest
    monkeypatch.setattr(access.hmac, "compare_digest", lambda a, b: (compared.append(b), real(a, b))[1])
    tokens = [Token(name=f"t{n}", sha256=token_digest(f"secret{n}")) for n in range(5)]
    assert Access(tokens).authenticate("Bearer secret0").name == "t0"
    assert len(compared) == 5


@pytest.mark.parametrize(
    ("content", "status", "kind"),
    [
        (b"{", 422, "invalid-request"),
        (b"[" * 100_000, 422, "invalid-request"),
        (b'{"items": []}', 422, "invalid-request"),
        (b'{"items": [{"text": "x"}]}', 422, "invalid-request"),
        (b'{"items": [{"problem_id": "k-1", "text": "\\ud800"}]}', 422, "invalid-request"),
        (b'{"items": [{"problem_id": "k-1", "text": "x", "path": "/etc/passwd"}]}', 422, "invalid-request"),
        (b'{"items": [{"problem_id": "nope", "text": "x"}]}', 404, "unknown-problem"),
        (
            b'{"items": [{"problem": {"kind": "math", "reference": {"answer": ""}}, "text": "x"}]}',
            422,
            "invalid-request",
        ),
        (
            b'{"items": [{"problem": {"kind": "math", "reference": {"answer": NaN}}, "text": "x"}]}',
            422,
            "invalid-request",
        ),
        (b'{"items": [{"problem_id": "k-1", "text": "' + b"x" * 1_000_001 + b'"}]}', 422, "invalid-request"),
        (b"{" + b'"items": 1, "x' + b"y" * 500_000 + b'": 1}', 422, "invalid-request"),
    ],
)
async def test_broken_requests_get_problem_details(content: bytes, status: int, kind: str) -> None:
    async with client_of(gateway()) as client:
        response = await client.post("/v1/verify", content=content, headers={"Content-Type": "application/json"})
    body = problem_of(response, status, kind)
    assert body["errors"] and len(response.content) < 20_000, "an error must not repeat what was sent"


async def test_bodies_are_bounded_whether_announced_or_not() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 100_000

    async with client_of(gateway(server={"max_body_mb": 1})) as client:
        json_type = {"Content-Type": "application/json"}
        announced = await client.post("/v1/verify", content=b"x" * 2_000_000, headers=json_type)
        problem_of(announced, 413, "too-large")
        problem_of(await client.post("/v1/verify", content=endless(), headers=json_type), 413, "too-large")
        lying = {**json_type, "Content-Length": "-1"}
        problem_of(await client.post("/v1/verify", content=b"{}", headers=lying), 400, "bad-request")
        problem_of(
            await client.post("/v1/verify", content=b"{}", headers={"Content-Type": "text/plain"}),
            415,
            "unsupported-media-type",
        )


async def test_too_many_items_and_unknown_routes() -> None:
    async with client_of(gateway(server={"max_items": 3})) as client:
        problem_of(await post(client, {"items": [item(1, 1)] * 4}), 413, "too-large")
        problem_of(await client.get("/v1/nothing"), 404, "not-found")
        wrong_method = await client.get("/v1/verify")
        problem_of(wrong_method, 405, "method-not-allowed")
        assert wrong_method.headers["allow"] == "POST"


async def test_back_pressure_is_429_with_retry_after_and_passes() -> None:
    at = gateway(server={"max_pending_items": 10})
    at.verifiers.gate = asyncio.Event()
    async with client_of(at) as client:
        first = asyncio.create_task(post(client, {"items": [item(1, 1)] * 8}))
        while not at.items.pending:
            await asyncio.sleep(0.01)
        refused = await post(client, {"items": [item(1, 1)] * 3})
        problem_of(refused, 429, "busy")
        assert int(refused.headers["retry-after"]) >= 1
        at.verifiers.gate.set()
        assert (await first).status_code == 200
        assert (await post(client, {"items": [item(1, 1)] * 3})).status_code == 200
    assert at.items.pending == 0


async def test_a_client_that_leaves_a_stream_frees_its_place() -> None:
    at = gateway()
    at.verifiers.gate = asyncio.Event()
    app = build_app(at)
    body = json.dumps({"items": [item(1, 1)] * 100, "stream": True}).encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/verify",
        "raw_path": b"/v1/verify",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"authorization", f"Bearer {TOKEN}".encode())],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("test", 80),
        "client": ("test", 1),
        "root_path": "",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    gone = asyncio.Event()

    async def receive():
        if messages:
            return messages.pop(0)
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message) -> None:
        pass

    running = asyncio.create_task(app(scope, receive, send))
    while not at.verifiers.calls:
        await asyncio.sleep(0.01)
    assert at.items.pending == 100
    gone.set()
    await asyncio.wait_for(running, 10)
    assert at.items.pending == 0


async def test_rates_are_per_token() -> None:
    tokens = [
        {"name": "slow", "sha256": token_digest("slow"), "requests_per_s": 2, "items_per_s": 1e6},
        {"name": "fast", "sha256": token_digest("fast"), "requests_per_s": 1e6, "items_per_s": 1e6},
    ]
    at = gateway(tokens=tokens)
    async with client_of(at, "slow") as slow, client_of(at, "fast") as fast:
        answers = [await post(slow, {"items": [item(1, 1)]}) for _ in range(6)]
        assert [answer.status_code for answer in answers].count(429) >= 3
        refused = next(answer for answer in answers if answer.status_code == 429)
        problem_of(refused, 429, "rate-limited")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await post(fast, {"items": [item(1, 1)]})).status_code == 200


def test_a_bucket_lets_one_large_batch_pass_and_then_asks_to_wait() -> None:
    now = [0.0]
    bucket = Bucket(100, lambda: now[0])
    assert bucket.take(1000) == 0
    wait_s = bucket.take(1)
    assert 8.9 < wait_s < 9.2
    now[0] += wait_s
    assert bucket.take(1) == 0


async def test_admission_takes_a_request_larger_than_all_when_idle() -> None:
    admission = Admission(10, "items")
    async with admission.enter(50):
        with pytest.raises(HttpProblem):
            async with admission.enter(1):
                pass
    assert admission.pending == 0


async def test_faults_of_ours_tell_nothing_and_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    at = gateway()

    async def broken(chunk):
        raise ZeroDivisionError("/secret/path")

    at.verifiers.check = broken
    async with client_of(at) as client:
        response = await post(client, {"items": [item(1, 1)]})
    body = problem_of(response, 500, "internal")
    assert "secret" not in response.text
    assert body["detail"].rpartition(" ")[2] in caplog.text


async def test_health_and_schema_need_no_token() -> None:
    async with client_of(gateway(), token="") as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).status_code == 200
        schema = (await client.get("/openapi.json")).json()
    assert schema["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


async def test_order_holds_for_any_batch_and_window() -> None:
    verifiers = EchoVerifiers()
    for size in (1, 2, 63, 64, 65, 500):
        checks = [Check(KNOWN["k-1"], str(n)) for n in range(size)]
        chunks = [chunk async for chunk in check_all(verifiers, checks, attempts=2, window=1, chunk_items=7)]
        assert [json.loads(one.body)["evidence"]["text"] for chunk in chunks for one in chunk] == [
            c.text for c in checks
        ]


def test_settings_refuse_an_open_door_and_bad_tokens() -> None:
    with pytest.raises(ConfigError, match="can be reached from other machines"):
        check_service_config({"server": {"host": "0.0.0.0"}}, "s.toml")
    with pytest.raises(ConfigError, match="stands there twice"):
        check_service_config({"tokens": [{"name": "a", "sha256": "0" * 64}] * 2}, "s.toml")
    two = [{"name": "a", "sha256": "0" * 64}, {"name": "a", "sha256": "1" * 64, "items_per_s": 7}]
    with pytest.raises(ConfigError, match="need the same rates"):
        check_service_config({"tokens": two}, "s.toml")
    with pytest.raises(ConfigError, match=r"tokens\.0\.expires"):
        check_service_config({"tokens": [{**two[0], "expires": dt.datetime(2027, 1, 1)}]}, "s.toml")  # noqa: DTZ001
    with pytest.raises(ConfigError, match=r"a\.b begins with a and a dot"):
        check_service_config({"tokens": [{"name": name, "sha256": "0" * 64} for name in ("a.b", "a")]}, "s.toml")
    with pytest.raises(ConfigError, match=r"s\.toml: server\.prt: unknown key"):
        check_service_config({"server": {"prt": 1}}, "s.toml")
    token, lines = new_token("a")
    assert token not in lines and token_digest(token) in lines


def test_an_expired_token_is_refused_and_two_tokens_are_one_client() -> None:
    past, coming = dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2999, 1, 1, tzinfo=dt.UTC)
    tokens = [
        Token(name="a", sha256=token_digest("old"), expires=past, requests_per_s=2),
        Token(name="a", sha256=token_digest("one"), expires=coming, requests_per_s=2),
        Token(name="a", sha256=token_digest("two"), requests_per_s=2),
    ]
    access = Access(tokens, clock=lambda: 0.0)
    with pytest.raises(HttpProblem, match="expired"):
        access.authenticate("Bearer old")
    clients = [access.authenticate(f"Bearer {token}") for token in ("one", "two")]
    assert [client.name for client in clients] == ["a", "a"]
    for client in clients:
        access.charge_request(client)
    with pytest.raises(HttpProblem, match="2 requests per second"):
        access.charge_request(clients[0])


def test_tokens_change_while_the_service_runs(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    now = [0.0]

    def write(*names: str) -> None:
        rows = [f'[[tokens]]\nname = "{name}"\nsha256 = "{token_digest(name)}"\n' for name in names]
        (tmp_path / "new").write_text("".join(rows))
        (tmp_path / "new").rename(file)
        now[0] += 1.0

    def known() -> set[str]:
        found = set()
        for name in ("ann", "bob", "eve"):
            with contextlib.suppress(HttpProblem):
                found.add(access.authenticate(f"Bearer {name}").name)
        return found

    write("ann")
    config = check_service_config({"tokens_file": str(file), "server": {"host": "0.0.0.0"}}, "s.toml")
    access = Access(Tokens(config.tokens, config.tokens_file, clock=lambda: now[0]))
    assert known() == {"ann"}
    write("ann", "bob")
    assert known() == {"ann", "bob"}
    write("bob")
    assert known() == {"bob"}
    file.write_text("not TOML [")
    now[0] += 1.0
    assert known() == {"bob"}, "a broken file must neither lock out nor let in"
    file.unlink()
    now[0] += 1.0
    assert known() == {"bob"}
    write()
    assert known() == set(), "an empty file lets nobody in: the service does not become open"
    with pytest.raises(ConfigError, match="no such file"):
        check_service_config({"tokens_file": str(tmp_path / "none.toml")}, "s.toml")


def test_shipped_configs_load() -> None:
    paths = list(Path("configs/service").glob("*.toml"))
    assert paths
    for path in paths:
        config = load_service_config(path)
        if config.solve.config:
            # In the image the tree lies in a folder of its own.
            load_config(config.solve.config.removeprefix("/opt/proofmill/"), config.solve.overrides)


def test_a_body_that_many_items_share_is_checked_once_and_each_of_them_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checked: list[str] = []
    check = ProblemBody.problem

    def counted(body: ProblemBody) -> Problem:
        checked.append(body.id)
        return check(body)

    monkeypatch.setattr(ProblemBody, "problem", counted)
    read = VerifyRequest.model_validate({"items": [item(1, 1), item(2, 2), item(1, 3), item(2, 4), item(1, 5)]})
    assert [problem.id for problem in problems_of(read.items, {})] == ["p1", "p2", "p1", "p2", "p1"]
    assert checked == ["p1", "p2"]

    broken = {**item(3, 3), "problem": {**item(3, 3)["problem"], "reference": {"answr": "3"}}}
    read = VerifyRequest.model_validate({"items": [broken, item(4, 4), broken]})
    checked.clear()
    with pytest.raises(HttpProblem) as refused:
        problems_of(read.items, {})
    assert checked == ["p3", "p4"]
    assert {error["pointer"].split("/")[2] for error in refused.value.errors} == {"0", "2"}
