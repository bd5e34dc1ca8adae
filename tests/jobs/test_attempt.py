"""Exit codes under a scheduler that tries failures again."""

from __future__ import annotations

import pytest

from jobs import attempt
from jobs.cli import COMMANDS, main


@pytest.mark.parametrize(("code", "told"), [(0, 0), (2, 0), (3, 0), (1, 1), (130, 130), (137, 137), (141, 141)])
def test_only_what_would_come_again_ends_with_0(
    code: int, told: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def run(args: object) -> int:
        seen.append(args)
        return code

    monkeypatch.setattr("jobs.nightly.command.run", run)
    assert main(["attempt", "nightly", "a.toml", "--set", "x.y=1", "--date", "2026-11-29"]) == told
    assert seen[0].configs == ["a.toml"] and seen[0].overrides == ["x.y=1"]
    said = capsys.readouterr().err
    assert (f"exit code {code}:" in said) == (code in attempt.FINAL) == (code != told)


def test_a_wrong_command_line_or_config_is_not_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attempt", "nightly", "absent.toml"]) == 0
    assert main(["attempt", "nightly", "--no-such-flag"]) == 0
    assert main(["attempt", "polish"]) == 0
    said = capsys.readouterr().err
    assert said.count("exit code 2") == 3 and "absent.toml: no such file" in said


def test_a_crash_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(args: object) -> int:
        raise RuntimeError("boom")

    monkeypatch.setattr("jobs.nightly.command.run", run)
    with pytest.raises(RuntimeError):
        main(["attempt", "nightly", "a.toml"])
    assert "attempt" in COMMANDS
