"""OpenAI's Files and Batches, and what owners read of their runs: list, progress, log, samples in pages."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import openai
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up_run import sample_row

from jobs.config import SolveConfig
from jobs.service import runs
from jobs.service.app import build_app
from jobs.service.batch_lines import read_batch
from jobs.service.gateway import Gateway
from jobs.service.http_errors import HttpProblem
from jobs.service.settings import check_service_config, token_digest
from runstore import layout
from runstore.parts import append_part, encode_part
from runstore.schema import SAMPLE_SCHEMA
from runstore.storage import open_storage
from verifiers.kinds import KINDS

pytestmark = pytest.mark.anyio
MODEL = Path(__file__).parents[3] / "models/tiny_reasoner"
TEMPLATE = {
    "model": {"path": str(MODEL), "dtype": "float32", "max_model_len": 512},
    "prompt": {"suffix": "Box it."},
    "resources": {"device": "cpu"},
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Solver:
    """Stands for the process of a run: it writes what a test says and lives until it is told to end."""

    def __init__(self) -> None:
        self.configs: list[SolveConfig] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self.slots = 0

    def launch(self, config: SolveConfig) -> subprocess.Popen[bytes]:
        wait = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); print('up', flush=True);"
        code = wait + "time.sleep(600)"
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert process.stdout and process.stdout.readline()
        self.configs.append(config)
        self.processes.append(process)
        storage = self.storage()
        record = {"problems": {"num_problems": len(self.problems())}, "starts": [{}] * len(self.processes)}
        storage.replace(layout.RUN, json.dumps(record).encode())
        return process

    def storage(self):
        return runs.run_storage(self.configs[-1].output.uri, self.configs[-1].run.id)

    def problems(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.storage().read(layout.REQUEST_PROBLEMS) or b"").splitlines()]

    def write(self, *rows: tuple[str, int, str | None, str]) -> None:
        """(problem, index, status, text) of samples that become durable now."""
        table = pa.Table.from_pylist(
            [sample_row(key, index, status, {}, text=text) for key, index, status, text in rows], SAMPLE_SCHEMA
        )
        append_part(self.storage(), "e0001-w00", self.slots, encode_part(table))
        self.slots += 1

    def end(self, complete: bool = True, exit_code: int | None = 0) -> None:
        self.processes[-1].kill()
        self.processes[-1].wait()
        record = json.loads(self.storage().read(layout.RUN) or b"{}")
        self.storage().replace(layout.RUN, json.dumps({**record, "complete": complete}).encode())
        if exit_code is not None:
            outcome = {"exit_code": exit_code, "error": "boom" if exit_code else "", "ended_at": 1_800_000_000}
            self.storage().replace(layout.REQUEST_OUTCOME, json.dumps(outcome).encode())


@pytest.fixture
def solver(monkeypatch: pytest.MonkeyPatch):
    solver = Solver()
    monkeypatch.setattr(runs, "launch", solver.launch)
    yield solver
    for process in solver.processes:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def http_clients(folder: Path) -> list[httpx.AsyncClient]:
    table = {
        "tokens": [{"name": name, "sha256": token_digest(name)} for name in ("ann", "bob")],
        "runs": {"output_uri": str(folder / "out"), "roots": [str(folder)], "template": TEMPLATE},
    }
    transport = httpx.ASGITransport(build_app(Gateway(check_service_config(table, "test"), verifiers=None)))
    return [
        httpx.AsyncClient(transport=transport, base_url="http://test/v1", headers={"Authorization": f"Bearer {name}"})
        for name in ("ann", "bob")
    ]


def openai_clients(folder: Path) -> list[openai.AsyncOpenAI]:
    return [
        openai.AsyncOpenAI(base_url="http://test/v1", api_key=name, http_client=http, max_retries=0)
        for name, http in zip(("ann", "bob"), http_clients(folder), strict=True)
    ]


def request_line(custom_id: str, content: str, **body: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": "You are helpful."}, {"role": "user", "content": content}]
    body = {"model": "gpt-4o", "messages": messages, **body}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}


def jsonl(*lines: Any) -> bytes:
    return "\n".join(json.dumps(line) for line in lines).encode()


PROBLEM = {"kind": "math", "reference": {"answer": "5"}, "num_samples": 3}
WINDOW: dict[str, Any] = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}


async def test_a_batch_of_problems_comes_back_by_custom_id(tmp_path: Path, solver: Solver) -> None:
    ann, bob = openai_clients(tmp_path)
    content = jsonl(*(request_line(key, f"{key}?", proofmill=PROBLEM, temperature=0.5) for key in ("a", "b", "c")))
    file = await ann.files.create(file=("../../etc/passwd", content), purpose="batch")
    assert file.filename == "../../etc/passwd" and file.bytes == len(content) and file.status == "processed"
    assert not any("passwd" in str(path) for path in tmp_path.rglob("*")), "a client's name is no name of ours"
    assert (await ann.files.content(file.id)).content == content
    batch = await ann.batches.create(input_file_id=file.id, metadata={"night": "1"}, **WINDOW)
    assert batch.status == "in_progress" and batch.metadata == {"night": "1"} and batch.request_counts.total == 3
    (config,) = solver.configs
    assert config.sampling.policy == "until_verified" and config.sampling.num_samples == 3
    assert config.sampling.temperature == 0.5 and config.prompt.suffix == "Box it." and config.plugins == []
    assert config.budget.wall_s == 24 * 3600 and config.model.path == str(MODEL)
    assert solver.problems()[0]["meta"]["messages_before"] == [{"role": "system", "content": "You are helpful."}]
    solver.write(("a", 0, "refuted", "wrong a"), ("a", 1, "verified", "right a"), ("b", 0, "undecided", "b"))
    assert (await ann.batches.retrieve(batch.id)).request_counts.completed == 1
    solver.write(("a", 2, "verified", "late a"), ("c", 0, "error", ""))
    solver.end()
    done = await ann.batches.retrieve(batch.id)
    assert done.status == "completed" and done.completed_at == 1_800_000_000 and done.model == str(MODEL)
    assert (done.request_counts.completed, done.request_counts.failed) == (2, 1)
    text = (await ann.files.content(done.output_file_id)).text
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["custom_id"] for line in lines] == ["a", "b"] and "wrong a" not in text
    answers = [openai.types.chat.ChatCompletion.model_validate(line["response"]["body"]) for line in lines]
    assert answers[0].choices[0].message.content == "right a" and answers[0].model == str(MODEL)
    assert answers[0].model_extra["proofmill"]["verdict"]["status"] == "verified"
    assert (
        answers[1].choices[0].message.content is None and "could be verified" in answers[1].choices[0].message.refusal
    )
    (error,) = [json.loads(line) for line in (await ann.files.content(done.error_file_id)).text.splitlines()]
    assert error["custom_id"] == "c" and error["error"]["code"] == "no-answer"
    assert (await ann.files.retrieve(done.output_file_id)).purpose == "batch_output"
    for ask in (
        bob.files.retrieve(file.id), bob.files.content(file.id), bob.files.delete(file.id),
        bob.batches.retrieve(batch.id), bob.batches.cancel(batch.id), bob.files.content(done.output_file_id),
        bob.files.delete(done.output_file_id),
    ):  # fmt: skip
        with pytest.raises(openai.NotFoundError):
            await ask
    assert [each.id async for each in bob.batches.list()] == [] == [each.id async for each in bob.files.list()]
    assert [each.id async for each in ann.batches.list()] == [batch.id]
    assert [each.id async for each in ann.files.list()] == [file.id]
    with pytest.raises(openai.ConflictError):
        await ann.files.delete(done.output_file_id)
    assert (await ann.files.delete(file.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await ann.files.content(file.id)


async def test_chats_are_answered_and_not_checked(tmp_path: Path, solver: Solver) -> None:
    ann, _ = openai_clients(tmp_path)
    file = await ann.files.create(file=jsonl(*(request_line(key, "Hi", n=2, seed=-1) for key in "ab")), purpose="batch")
    batch = await ann.batches.create(input_file_id=file.id, **WINDOW)
    (config,) = solver.configs
    assert config.sampling.policy == "fixed" and config.sampling.num_samples == 2
    assert config.prompt.suffix == "", "nothing is added to a chat"
    assert config.plugins == ["jobs.service.unchecked"] and {row["kind"] for row in solver.problems()} == {"unchecked"}
    solver.write(("a", 1, "undecided", "two"), ("a", 0, "undecided", "one"), ("b", 0, "undecided", "three"))
    solver.end()
    done = await ann.batches.retrieve(batch.id)
    lines = [json.loads(line) for line in (await ann.files.content(done.output_file_id)).text.splitlines()]
    assert [choice["message"]["content"] for choice in lines[0]["response"]["body"]["choices"]] == ["one", "two"]
    assert lines[0]["response"]["body"]["proofmill"]["checked"] is False
    assert done.error_file_id is None
    assert "unchecked" not in KINDS, "a client of the service could name the kind in any request"


async def test_a_killed_batch_goes_on_and_a_cancelled_one_does_not(tmp_path: Path, solver: Solver) -> None:
    ann, _ = openai_clients(tmp_path)
    file = await ann.files.create(file=jsonl(request_line("a", "?"), request_line("b", "?")), purpose="batch")
    batch = await ann.batches.create(input_file_id=file.id, **WINDOW)
    with pytest.raises(openai.RateLimitError):
        await ann.batches.create(input_file_id=file.id, **WINDOW)
    solver.write(("a", 0, "undecided", "one"))
    solver.end(complete=False, exit_code=None)
    assert (await ann.batches.retrieve(batch.id)).status == "in_progress" and len(solver.processes) == 2
    assert solver.configs[0] == solver.configs[1]
    cancelled = await ann.batches.cancel(batch.id)
    assert cancelled.status in ("cancelling", "cancelled")
    solver.processes[-1].wait()
    done = await ann.batches.retrieve(batch.id)
    assert done.status == "cancelled" and len(solver.processes) == 2
    assert len((await ann.files.content(done.output_file_id)).text.splitlines()) == 1
    assert "one" in (await ann.files.content(done.output_file_id)).text and done.error_file_id
    solver.slots = 0
    again = await ann.batches.create(input_file_id=file.id, **WINDOW)
    for _ in range(3):
        solver.end(complete=False, exit_code=None)
        last = await ann.batches.retrieve(again.id)
    assert last.status == "failed" and "killed 3 times" in last.errors.data[0].message
    failing = await ann.batches.create(input_file_id=file.id, **WINDOW)
    solver.end(complete=False, exit_code=2)
    failed = await ann.batches.retrieve(failing.id)
    assert failed.status == "failed" and failed.errors.data[0].message == "boom"


GOOD = request_line("a", "?")


@pytest.mark.parametrize(
    ("content", "places"),
    [
        (b"", []),
        (b"\n \n", []),
        (jsonl(GOOD) + b"\n{", [(2, "")]),
        (jsonl(GOOD) + b"\n\xff", [(2, "")]),
        (jsonl(GOOD, 5), [(2, "")]),
        (jsonl(GOOD, GOOD), [(2, "/custom_id")]),
        (jsonl(request_line("\n", "?")), [(1, "/custom_id")]),
        (jsonl({**GOOD, "url": "/v1/embeddings"}), [(1, "/url")]),
        (jsonl({**GOOD, "method": "GET", "x": 1}), [(1, "/method"), (1, "/x")]),
        (jsonl(request_line("a", "")), [(1, "/body/messages/1/content")]),
        (jsonl(request_line("a", "?", tools=[{}]), request_line("b", "?", best_of=3)),
         [(1, "/body/tools"), (2, "/body/best_of")]),
        (jsonl(request_line("a", "?", stream=True)), [(1, "/body/stream")]),
        (jsonl(GOOD, request_line("b", "?", temperature=0.5)), [(2, "/body/temperature")]),
        (jsonl(GOOD, request_line("b", "?", proofmill=PROBLEM)), [(2, "/body/proofmill")]),
        (jsonl(request_line("a", "?", proofmill={"kind": "math", "reference": {}})),
         [(1, "/body/proofmill/reference/answer")]),
        (jsonl(request_line("a", " ", proofmill=PROBLEM)), [(1, "/body/messages/1/content")]),
        (jsonl({**GOOD, "body": {**GOOD["body"], "messages": [{"role": "assistant", "content": "x"}]}}),
         [(1, "/body/messages/0/role")]),
    ],
)  # fmt: skip
async def test_a_bad_file_is_one_error_that_names_the_lines(
    tmp_path: Path, solver: Solver, content: bytes, places: list[tuple[int, str]]
) -> None:
    ann, _ = openai_clients(tmp_path)
    file = await ann.files.create(file=content, purpose="batch")
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        await ann.batches.create(input_file_id=file.id, **WINDOW)
    errors = caught.value.response.json().get("errors", [])
    assert [(each["line"], each["pointer"]) for each in errors] == places
    assert all(f"line {line}" in str(caught.value) for line, _ in places[:3]) and not solver.configs


def test_too_many_lines_are_refused_before_they_are_read() -> None:
    with pytest.raises(HttpProblem, match="too-large"):
        read_batch(b"x\n" * 11, 10)


@pytest.mark.parametrize(
    ("form", "file", "status"),
    [
        ({"purpose": "assistants"}, True, 422),
        ({}, True, 422),
        ({"purpose": "batch"}, False, 415),
        ({"purpose": "batch", "expires_after": "x"}, True, 422),
    ],
)
async def test_what_cannot_be_a_batch_file_is_refused(tmp_path: Path, form: dict, file: bool, status: int) -> None:
    ann, _ = http_clients(tmp_path)
    answer = await ann.post("/files", data=form, files={"file": b"{}"} if file else None)
    assert answer.status_code == status, answer.text
    broken = await ann.post("/files", content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert broken.status_code == 400 and broken.json()["error"]["message"]


@pytest.mark.parametrize("file_id", ["../bob/file-1", "file-" + "0" * 24, "file-" + "0" * 24 + "-output", "x"])
async def test_no_place_is_named_by_a_client(tmp_path: Path, file_id: str) -> None:
    ann, _ = http_clients(tmp_path)
    for path in (f"/files/{file_id}", f"/files/{file_id.replace('/', '%2F')}/content"):
        assert (await ann.get(path)).status_code == 404
    answer = await ann.post("/batches", json={"input_file_id": file_id, **WINDOW})
    assert answer.status_code in (404, 422)


async def test_runs_are_listed_and_their_progress_and_log_told(tmp_path: Path, solver: Solver) -> None:
    ann, bob = http_clients(tmp_path)
    problems = [{"id": key, "kind": "math", "prompt": "?", "reference": {"answer": "5"}} for key in "ab"]
    started = await ann.post("/runs", json={"config": {"run": {"id": "r1"}}, "problems": problems})
    assert started.status_code == 202, started.text
    solver.write(("a", 0, "refuted", "x"), ("a", 1, "verified", "y"), ("b", 0, None, ""))
    progress = (await ann.get("/runs/r1")).json()["progress"]
    assert progress == {
        "problems": 2, "problems_begun": 2, "solved": 1, "samples": 3, "completion_tokens": 207,
        "statuses": {"refuted": 1, "verified": 1, "aborted": 1},
    }  # fmt: skip
    solver.write(("b", 1, "verified", "z"))
    assert (await ann.get("/runs/r1")).json()["progress"]["solved"] == 2
    solver.end()
    await ann.post("/runs", json={"config": {"run": {"id": "r2"}}, "problems": problems})
    listed = (await ann.get("/runs", params={"limit": 1})).json()
    assert [run["id"] for run in listed["data"]] == ["ann.r1"] and listed["has_more"]
    rest = (await ann.get("/runs", params={"after": listed["last_id"]})).json()
    assert [(run["id"], run["state"]) for run in rest["data"]] == [("ann.r2", "running")] and not rest["has_more"]
    assert (await bob.get("/runs")).json()["data"] == []
    storage = open_storage(f"{tmp_path}/out/runs/ann.r1")
    assert (await ann.get("/runs/r1/log")).status_code == 404
    storage.replace(layout.REQUEST_LOG, b"first line\nlast line\n")
    assert (await ann.get("/runs/r1/log", params={"tail_bytes": 12})).text == "last line\n"
    for path in ("r1/log", "ann.r1/log", "r1/samples"):
        assert (await bob.get(f"/runs/{path}")).status_code == 404


async def test_samples_come_in_pages_each_once_while_the_run_goes_on(tmp_path: Path, solver: Solver) -> None:
    ann, _ = http_clients(tmp_path)
    problems = [{"id": "a", "kind": "math", "prompt": "?", "reference": {"answer": "5"}}]
    await ann.post("/runs", json={"config": {"run": {"id": "r1"}}, "problems": problems})
    empty = await ann.get("/runs/r1/samples")
    assert empty.status_code == 200 and empty.text == "" and empty.headers["proofmill-more"] == "false"
    seen: list[int] = []
    cursor = empty.headers["proofmill-cursor"]
    for first in (0, 7, 14):
        statuses = ["verified", "refuted"]
        solver.write(*(("a", index, statuses[index % 2], f"t{index}") for index in range(first, first + 7)))
        more = "true"
        while more == "true":
            page = await ann.get("/runs/r1/samples", params={"cursor": cursor, "limit": 3, "columns": "sample_index"})
            rows = [json.loads(line) for line in page.text.splitlines()]
            assert all(set(row) == {"sample_index"} for row in rows) and len(rows) <= 3
            seen += [row["sample_index"] for row in rows]
            cursor, more = page.headers["proofmill-cursor"], page.headers["proofmill-more"]
    assert seen == list(range(21))
    parquet = await ann.get("/runs/r1/samples", params={"format": "parquet", "status": "verified", "limit": 4})
    table = pq.read_table(io.BytesIO(parquet.content))
    assert table["text"].to_pylist() == ["t0", "t2", "t4", "t6"] and table.schema.names == SAMPLE_SCHEMA.names
    rest = await ann.get(
        "/runs/r1/samples", params={"status": "verified", "cursor": parquet.headers["proofmill-cursor"]}
    )
    assert [json.loads(line)["sample_index"] for line in rest.text.splitlines()] == list(range(8, 21, 2))
    for params in (
        {"columns": "nope"}, {"cursor": "nope"}, {"cursor": "WzFd"}, {"limit": 0}, {"status": "right"}, {"file": "x"},
        {"format": "csv"},
    ):  # fmt: skip
        answer = await ann.get("/runs/r1/samples", params=params)
        assert answer.status_code == 422 and answer.json()["errors"][0]["parameter"] == next(iter(params))


@pytest.mark.ray
async def test_openais_own_example_works_unchanged(tmp_path: Path) -> None:
    """The batch guide's file and calls, with a real run of the bundled model."""
    client, _ = openai_clients(tmp_path)
    file = tmp_path / "batchinput.jsonl"
    file.write_bytes(jsonl(*(request_line(f"request-{n}", "Hello world!", max_tokens=20) for n in (1, 2))))
    with file.open("rb") as stream:
        batch_input_file = await client.files.create(file=stream, purpose="batch")
    batch = await client.batches.create(
        input_file_id=batch_input_file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"description": "nightly eval job"},
    )
    deadline = time.monotonic() + 300
    while batch.status == "in_progress" and time.monotonic() < deadline:
        time.sleep(1)
        batch = await client.batches.retrieve(batch.id)
    http, _ = http_clients(tmp_path)
    log = (await http.get(f"/runs/{batch.id}/log")).text
    assert batch.status == "completed", f"{batch}\n{log}"
    file_response = await client.files.content(batch.output_file_id)
    lines = [json.loads(line) for line in file_response.text.splitlines()]
    assert [line["custom_id"] for line in lines] == ["request-1", "request-2"]
    answers = [openai.types.chat.ChatCompletion.model_validate(line["response"]["body"]) for line in lines]
    assert all(answer.choices[0].message.content for answer in answers)
    assert all(answer.usage.completion_tokens <= 20 for answer in answers)
    assert "2 problems" in log
    samples = (await http.get(f"/runs/{batch.id}/samples")).text.splitlines()
    messages = [json.loads(json.loads(line)["messages"]) for line in samples]
    sent = request_line("", "Hello world!")["body"]["messages"]
    assert messages == [sent, sent], "nothing is added to a chat"
