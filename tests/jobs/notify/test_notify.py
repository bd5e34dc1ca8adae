"""What is posted of a run, to real HTTP servers on loopback, good and bad ones; and that the URL is never told."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jobs import notify as module
from jobs.cli import main
from jobs.config import ConfigError, Notify, SolveConfig, check_config, merge_overrides
from jobs.notify import Notifier, StallWatch, check_urls
from jobs.solve import command as solve_command
from jobs.solve.driver import DriveResult
from jobs.solve.record import check_resume

SECRET = "T0KEN-abc"


class Receiver:
    """Keeps what is posted to it. `how`: the status of its answer, `hang`, or `drip` for an answer without end."""

    def __init__(self, how: int | str) -> None:
        receiver = self
        self.lines: list[tuple[str, bytes]] = []
        self.ended = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.lines.append((self.path, body))
                if how == "hang":
                    receiver.ended.wait(30)
                elif how == "drip":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                    while not receiver.ended.wait(0.05):
                        self.wfile.write(b"X-More: x\r\n")
                else:
                    assert isinstance(how, int)
                    # The reason is the server's own text, which may quote what it was asked for.
                    self.send_response(how, f"told of {self.path}")
                    if how in (302, 307, 308):
                        self.send_header("Location", f"{receiver.url}/elsewhere")
                    self.end_headers()

            def do_GET(self) -> None:
                receiver.lines.append((self.path, b"GET"))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()

    @property
    def events(self) -> list[str]:
        return [json.loads(body)["event"] for _, body in self.lines]


@pytest.fixture
def receive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int | str], Receiver]]:
    started: list[Receiver] = []

    def start(how: int | str = 200) -> Receiver:
        started.append(Receiver(how))
        monkeypatch.setenv("HOOK", f"{started[-1].url}/hooks/{SECRET}?key={SECRET}")
        return started[-1]

    yield start
    for receiver in started:
        receiver.stop()


def entries(*on: str, **more: Any) -> list[Notify]:
    return [Notify.model_validate({"url_env": "HOOK", "on": list(on), **more})]


def test_one_json_line_arrives_for_each_event_that_is_asked_for(receive: Any) -> None:
    receiver = receive()
    with Notifier(entries("done", "regression"), "monday", "s3://b/runs/monday") as notifier:
        notifier.ended({"samples": 8, "statuses": {"verified": 3}, "occupancy": [1, 2]})
        notifier.tell("failed", {})
    ((path, body),) = receiver.lines
    assert path == f"/hooks/{SECRET}?key={SECRET}" and body.endswith(b"\n") and body.count(b"\n") == 1
    line = json.loads(body)
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "run_id": "monday", "uri": "s3://b/runs/monday", "event": "done", "why": "",
        "figures": {"samples": 8, "statuses": {"verified": 3}},
    }  # fmt: skip


def test_an_error_that_leaves_the_run_is_posted_once_and_goes_on(receive: Any) -> None:
    receiver = receive()
    with (
        pytest.raises(ConfigError, match="no such model"),
        Notifier(entries("failed"), "r", "u") as notifier,
        notifier,
    ):
        raise ConfigError("no such model")
    assert receiver.events == ["failed"] and json.loads(receiver.lines[0][1])["why"] == "no such model"
    with pytest.raises(KeyboardInterrupt), Notifier(entries("failed"), "r", "u"):
        raise KeyboardInterrupt
    assert receiver.events == ["failed"], "a person who stops a run knows it"


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (500, "answered with 500"),
        (404, "answered with 404"),
        (302, "answered with 302"),
        (307, "answered with 307"),
        ("hang", "no answer within 0.5 s"),
        ("drip", "given up after 1 s"),
        ("refuse", "Connection refused"),
        ("no name", "gaierror"),
        ("not http", "BadStatusLine"),
    ],
)
def test_a_post_that_fails_is_logged_without_the_url_and_fails_nothing(
    receive: Any, how: Any, told: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "POST_S", 0.5)
    monkeypatch.setattr(module, "PATIENCE_S", 1.0)
    receiver = receive(how if how not in ("refuse", "no name", "not http") else 200)
    if how == "refuse":
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{closed_port()}/{SECRET}")
    elif how == "no name":
        monkeypatch.setenv("HOOK", f"http://{SECRET}.invalid/{SECRET}")
    elif how == "not http":
        listener = socket.create_server(("127.0.0.1", 0))
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{listener.getsockname()[1]}/{SECRET}")

        def answer() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(f"what is {SECRET}?\r\n\r\n".encode())
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
    caplog.set_level(logging.INFO, "proofmill")
    deliver, posted_by = module._deliver, []
    monkeypatch.setattr(module, "_deliver", lambda *post: posted_by.append(threading.get_ident()) or deliver(*post))
    with Notifier(entries("done"), "r", "u") as notifier:
        notifier.ended({})
    assert posted_by and threading.get_ident() not in posted_by, "a post would hold the run up"
    assert told in caplog.text and SECRET not in caplog.text
    assert [path for path, _ in receiver.lines if "elsewhere" in path] == []


@pytest.mark.parametrize(
    "value",
    [
        None, "", SECRET, f"ftp://host/{SECRET}", f"file:///{SECRET}", "http://", f"http:///{SECRET}",
        f"http://[{SECRET}/x", f"http://host:{SECRET}/", f"http://host/{SECRET} x", f"http://host/\n{SECRET}",
        f"http://host/{SECRET}ü", f"http://user:{SECRET}@host/",
    ],
)  # fmt: skip
def test_a_variable_without_a_url_is_an_error_before_anything_starts(
    value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    if value is not None:
        monkeypatch.setenv("HOOK", value)
    with pytest.raises(ConfigError) as caught:
        check_urls(entries("done"))
    text = "".join(traceback.format_exception(caught.value))
    assert "notify.0.url_env" in text and "HOOK" in text and SECRET not in text
    path = tmp_path / "run.toml"
    path.write_text('run.id = "r"\nproblems.files = ["none"]\nmodel.path = "m"\nnotify = [{url_env = "HOOK"}]\n')
    for words in (["solve", str(path), "--dry-run"], ["solve", str(path)]):
        assert main(words) == 2
        said = capsys.readouterr()
        assert "HOOK" in said.err and SECRET not in said.out + said.err


TABLE: dict[str, Any] = {"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"path": "m"}}
URL = f"https://hooks.example/{SECRET}"


@pytest.mark.parametrize(
    "wrong",
    [
        URL, [URL], {"url": URL}, [{"url": URL}], [{"url_env": URL}], [{"url_env": "HOOK", "on": URL}],
        [{"url_env": "HOOK", "on": [URL]}], [{"url_env": [URL]}], [{"url_env": "HOOK", "stalled_s": URL}],
        [{"on": ["done"]}], [{"url_env": "HOOK", "on": []}], [{"url_env": "HOOK", "on": ["finished"]}],
    ],
)  # fmt: skip
def test_a_url_in_the_wrong_place_is_refused_and_not_repeated(wrong: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        check_config({**TABLE, "notify": wrong}, "run.toml")
    assert "run.toml: notify" in str(caught.value) and SECRET not in str(caught.value)


def test_a_url_on_the_command_line_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        merge_overrides({"notify": []}, [f"notify.url={URL}"])
    assert "notify" in str(caught.value) and SECRET not in str(caught.value)


def config_with(**more: Any) -> SolveConfig:
    return check_config({**TABLE, **more}, "test")


def test_the_record_of_a_run_names_the_variable_and_a_resume_may_change_it(receive: Any) -> None:
    receive()
    stored = config_with(notify=[{"url_env": "HOOK"}]).resolved()
    assert SECRET not in json.dumps(stored) and stored["notify"][0]["url_env"] == "HOOK"
    problems: Any = type("Problems", (), {"sha256": "0" * 64})
    for old in (stored, {key: value for key, value in stored.items() if key != "notify"}):
        check_resume(config_with(), problems, {"config": old, "problems": {"sha256": "0" * 64}}, "run")


def status(samples: int = 0, running: int = 0, unchecked: int = 0, durable: int = 0) -> dict[str, Any]:
    figures = {"samples": samples, "aborted": 0, "unchecked": unchecked, "running": running}
    return {**figures, "durable": durable, "unwritten": max(0, samples - durable)}


def test_a_run_is_stalled_when_samples_run_and_none_gets_on() -> None:
    watch = StallWatch(60)
    assert not watch.stalled({"phase": "claiming"}, 0)
    assert not watch.stalled(status(), 10)
    assert not watch.stalled(status(), 500), "an engine that loads its model is no stall"
    assert not watch.stalled(status(running=4), 559)
    assert watch.stalled(status(running=4), 560)
    assert not watch.stalled(status(running=4), 900), "told once"
    assert not watch.stalled(status(samples=1, running=4, durable=1), 901)
    assert watch.stalled(status(samples=1, running=4, durable=1), 961), "a second stall is told again"
    # A replica that dies again and again: samples are drawn, lost, and drawn again.
    assert not watch.stalled(status(samples=1, running=2, unchecked=2, durable=1), 962)
    for second in range(963, 1022):
        assert not watch.stalled(status(samples=1, running=4 - second % 3, unchecked=second % 3, durable=1), second)
    assert watch.stalled(status(samples=1, running=4, unchecked=0, durable=1), 1022)
    assert not watch.stalled(status(samples=3, running=0, durable=3), 1023)
    assert not watch.stalled(status(samples=3, running=0, durable=3), 9999), "nothing is on its way"


def solved(
    folder: Path, monkeypatch: pytest.MonkeyPatch, outcome: DriveResult | Exception, statuses: list[Any]
) -> tuple[SolveConfig, Callable[[], int]]:
    """`proofmill solve` with a drive that gives these statuses and ends so; the rest is real."""
    (folder / "p.jsonl").write_text('{"id": "a", "kind": "math", "prompt": "1+1?", "reference": {"answer": "2"}}\n')
    table = {
        "run": {"id": "r"},
        "problems": {"files": [str(folder / "p.jsonl")]},
        "model": {"path": str(Path(__file__).parents[3] / "models/tiny_reasoner")},
        "output": {"uri": str(folder / "out")},
        "notify": [{"url_env": "HOOK", "stalled_s": 0.001}],
    }

    def drive(config: Any, settings: Any, screen: Any, skipped: Any, watch: Any) -> DriveResult:
        for each in statuses:
            watch(each)
            time.sleep(0.01)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(solve_command, "drive", drive)
    monkeypatch.setattr(solve_command, "connect", lambda *_: __import__("contextlib").nullcontext())
    config = check_config(table, "test")
    return config, lambda: solve_command.solve(config, command="again")


def everything_below(folder: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("how", [200, 500, "hang"])
@pytest.mark.parametrize(
    ("outcome", "code", "events"),
    [
        (DriveResult(None, "the coordinator died 3 times"), 3, ["stalled", "failed"]),
        (DriveResult(None, interrupted="interrupted"), 130, ["stalled"]),
        (OSError("the disk is full"), None, ["stalled", "failed"]),
    ],
)
def test_a_run_posts_how_it_ended(
    receive: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    how: Any, outcome: Any, code: int | None, events: list[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(module, "POST_S", 0.5)
    receiver = receive(how)
    _, run = solved(tmp_path, monkeypatch, outcome, [status(running=3)] * 5)
    if code is None:
        with pytest.raises(OSError, match="the disk is full"):
            run()
    else:
        assert run() == code
    assert sorted(receiver.events) == sorted(events)
    log = (tmp_path / "out/runs/r/logs/driver-1.log").read_text()
    assert ("not delivered" in log) == (how != 200)
    said = capsys.readouterr()
    assert SECRET not in everything_below(tmp_path) + said.out + said.err


def test_a_dry_run_checks_the_variable_and_posts_nothing(
    receive: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = receive()
    config, _ = solved(tmp_path, monkeypatch, DriveResult(None), [])
    monkeypatch.setattr(solve_command, "describe_prompts", lambda _: "")
    assert solve_command.solve(config, dry_run=True) == 0
    (tmp_path / "p.jsonl").write_text("not JSON\n")
    with pytest.raises(Exception, match=r"p\.jsonl"):
        solve_command.solve(config, dry_run=True)
    assert receiver.lines == []
    with pytest.raises(Exception, match=r"p\.jsonl"):
        solve_command.solve(config)
    assert receiver.events == ["failed"], "a run that cannot begin has failed"
