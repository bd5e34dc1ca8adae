"""Submission without a cluster: log following over lost connections, exit codes, variables, one job a submission."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import types
from pathlib import Path

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster import handover
from cluster.ray_jobs import RemoteError, connect, follow_log, is_private_channel, read_token
from jobs.config import ConfigError, SolveConfig, check_config
from jobs.run_secrets import check_passed
from jobs.submit import command as submit
from jobs.submit.command import exit_code
from jobs.submit.package import Package


class FlakyCluster:
    """Replays the log from its start on every connection; `cuts` says after how many chunks each one breaks."""

    def __init__(self, log: str, chunk: int, cuts: list[int]) -> None:
        self.log, self.chunk, self.cuts = log, chunk, list(cuts)
        self.done = False

    async def tail_job_logs(self, job_id: str):
        cut = self.cuts.pop(0) if self.cuts else None
        for number, start in enumerate(range(0, len(self.log), self.chunk)):
            if number == cut:
                raise RuntimeError("WebSocket connection closed unexpectedly with close code 1006")
            yield self.log[start : start + self.chunk]
        if cut is not None:
            raise ConnectionResetError
        self.done = True

    def get_job_status(self, job_id: str) -> str:
        return "SUCCEEDED" if self.done else "RUNNING"

    def get_job_logs(self, job_id: str) -> str:
        return self.log + "last words\n"


async def no_sleep(seconds: float) -> None:
    return None


@settings(deadline=None)
@given(
    log=st.text(alphabet="ab\né√", max_size=60),
    chunk=st.integers(1, 9),
    cuts=st.lists(st.integers(0, 20), max_size=6),
)
def test_every_character_is_written_once_over_lost_connections(log: str, chunk: int, cuts: list[int]) -> None:
    written: list[str] = []
    cluster = FlakyCluster(log, chunk, cuts)
    status = asyncio.run(follow_log(cluster, "job", written.append, sleep=no_sleep))
    assert status == "SUCCEEDED"
    assert "".join(written) == log + "last words\n"


def test_a_cluster_that_stays_away_is_given_up_and_an_unknown_job_at_once() -> None:
    class Gone(FlakyCluster):
        def get_job_status(self, job_id: str) -> str:
            raise requests.exceptions.ConnectionError

    with pytest.raises(RemoteError, match="the job may go on"):
        asyncio.run(follow_log(Gone("", 1, []), "job", print, patience_s=0, sleep=no_sleep))

    class Unknown(FlakyCluster):
        def get_job_status(self, job_id: str) -> str:
            raise RuntimeError("Request failed with status code 404: job x does not exist.")

    with pytest.raises(RemoteError, match="no job x"):
        asyncio.run(follow_log(Unknown("", 1, []), "x", print, sleep=no_sleep))


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("SUCCEEDED", 0, 0),
        ("FAILED", 3, 3),
        ("FAILED", 2, 2),
        ("FAILED", -9, 137),
        ("FAILED", None, 3),
        ("STOPPED", None, 130),
    ],
)
def test_exit_code_is_the_jobs(status: str, code: int | None, expected: int) -> None:
    details = types.SimpleNamespace(status=types.SimpleNamespace(value=status), driver_exit_code=code)
    assert exit_code(details) == expected


def config_of(**tables: object) -> SolveConfig:
    return check_config({"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"path": "m"}, **tables}, "t")


def test_variables_go_by_name_and_values_never_on_the_command_line() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "k", "AWS_PROFILE": "p", "HF_TOKEN": "t", "HOME": "/root", "HOOK": "u", "X": "x"}
    config = config_of(notify=[{"url_env": "HOOK"}], ray={"pass_env": ["X"]})
    handed = {"AWS_ACCESS_KEY_ID": "k", "HF_TOKEN": "t", "HOOK": "u", "X": "x"}
    assert submit.passed_variables(config, environ) == handed
    assert submit.passed_variables(config, environ, ["HOOK", "X"]) == {"AWS_ACCESS_KEY_ID": "k", "HF_TOKEN": "t"}
    with pytest.raises(ConfigError, match="every user of this machine") as caught:
        check_passed(["HF_TOKEN=hunter2"], environ, "--env")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="not set"):
        check_passed(["NOPE"], environ, "--env")
    with pytest.raises(ConfigError, match=r"ray\.runtime_env\.env_vars"):
        check_passed(["LD_PRELOAD"], {"LD_PRELOAD": "x"}, "--env")


def test_a_job_without_a_variable_of_notify_is_refused() -> None:
    config = config_of(notify=[{"url_env": "HOOK"}])
    submit.require_notify(config, {"HOOK": "https://host/x"})
    with pytest.raises(ConfigError, match=r"notify\.0\.url_env: .* HOOK; export it, or give --cluster-env HOOK"):
        submit.require_notify(config, {"AWS_REGION": "x"})


def test_what_is_shown_names_variables_but_not_values() -> None:
    shown = submit.describe(Package((), "c.toml", ()), {"AWS_SECRET_ACCESS_KEY": "hunter2"}, "exec x", every_file=True)
    assert "AWS_SECRET_ACCESS_KEY" in shown and "hunter2" not in shown


def test_overrides_are_quoted() -> None:
    entry = submit.solve_entrypoint("python", "a b.toml", ["run.id=x; rm -rf /"])
    assert entry == "exec python -m jobs.submit.start solve 'a b.toml' --set 'run.id=x; rm -rf /'"


def test_an_answer_lost_on_the_way_is_not_a_second_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit.time, "sleep", lambda seconds: None)
    started: list[str] = []

    class Cluster:
        def submit_job(self, *, submission_id: str, **rest: object) -> str:
            if submission_id in started:
                raise RuntimeError("Job with submission_id already exists")
            started.append(submission_id)
            raise requests.exceptions.ConnectionError("answer lost")

    assert submit.send(Cluster(), "r1", Package((), "c", ()), {}, "true", "out") == started[0]
    assert len(started) == 1


class KeepsPackages:
    """A cluster that keeps what is put there, and refuses or loses submissions."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.kept: dict[str, bytes] = {}
        self.calls: list[str] = []

    def _do_request(self, method: str, path: str, data: bytes = b"", **_: object) -> types.SimpleNamespace:
        self.calls.append(method)
        if method == "PUT":
            self.kept[path] = data
        return types.SimpleNamespace(status_code=200 if path in self.kept else 404)

    def submit_job(self, *, submission_id: str, runtime_env: dict[str, dict[str, str]], **_: object) -> str:
        self.environment = runtime_env["env_vars"]
        if self.faults:
            raise self.faults.pop(0)
        return submission_id


def test_what_goes_to_the_cluster_has_no_value_and_a_refused_job_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(submit.time, "sleep", lambda seconds: None)
    variables, package = {"AWS_SECRET_ACCESS_KEY": "hunter2"}, Package((), "c", ())
    cluster = KeepsPackages(requests.exceptions.ConnectionError("answer lost"))
    submit.send(cluster, "r1", package, variables, "true", "out")
    assert cluster.calls == ["PUT", "GET"], "a second half would stay after the job took the first"
    ((path, sealed),) = cluster.kept.items()
    name, _, key = cluster.environment[handover.VARIABLE].partition(":")
    assert path.endswith(name) and handover.unseal(sealed, bytes.fromhex(key)) == variables
    assert b"hunter2" not in sealed and "hunter2" not in str(cluster.environment)

    refusing = KeepsPackages(RuntimeError("no"))
    with pytest.raises(RemoteError, match="refused the job: no"):
        submit.send(refusing, "r1", package, variables, "true", "out")
    assert list(refusing.kept.values()) == [b"withdrawn"]


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=5), st.integers(0, 40))
def test_a_changed_half_is_noticed(variables: dict[str, str], place: int) -> None:
    sealed, key = handover.seal(variables)
    assert handover.unseal(sealed, key) == variables
    assert len(sealed) % handover.PADDING == handover.DIGEST_BYTES, "the length tells how much there is"
    other = bytearray(sealed)
    other[place] ^= 1
    for half, opens in ((bytes(other), key), (sealed[:-1], key), (sealed, bytes(32)), (b"withdrawn", key)):
        with pytest.raises(handover.HandoverError, match="submit it again"):
            handover.unseal(half, opens)


def test_output_that_would_be_lost_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.jsonl").write_text("{}\n")
    Path("c.toml").write_text('run.id = "r"\nproblems.files = ["p.jsonl"]\nmodel.path = "org/model"\n')
    assert main("c.toml", "--dry-run") == 2
    assert "s3://" in capsys.readouterr().err
    assert main("c.toml", "--dry-run", "--set", "output.uri=s3://bucket/x") == 0
    out = capsys.readouterr().out
    assert "p.jsonl" in out and "--set output.uri=s3://bucket/x" in out
    assert main("absent.toml") == 2
    assert "absent.toml" in capsys.readouterr().err


def main(*words: str) -> int:
    parser = argparse.ArgumentParser()
    submit.add_arguments(parser)
    return submit.run(parser.parse_args(words))


def test_nobody_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://203.0.113.1:1")  # must not win over the argument
    with pytest.raises(RemoteError, match=r"127\.0\.0\.1:9: no Ray cluster"):
        connect("127.0.0.1:9")
    import os

    assert os.environ["RAY_ADDRESS"] == "http://203.0.113.1:1"


def test_token_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_token() == ""
    (tmp_path / "token").write_text("from-file\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    assert read_token() == "from-file"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "from-env")
    assert read_token() == "from-env"
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert read_token() == ""


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("http://127.0.0.1:8265", True),
        ("http://[::1]:1", True),
        ("https://head", True),
        ("http://10.0.0.1:8265", False),
    ],
)
def test_plain_http_is_private_on_loopback_only(address: str, private: bool) -> None:
    assert is_private_channel(address) is private


def test_interrupt_asks_only_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit.sys.stdin, "isatty", lambda: False, raising=False)
    assert not submit.wants_stop("ask") and submit.wants_stop("stop") and not submit.wants_stop("leave")
    monkeypatch.setattr(submit.sys.stdin, "isatty", lambda: True, raising=False)
    answers = itertools.cycle(["y", ""])
    monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
    assert submit.wants_stop("ask") and not submit.wants_stop("ask")
