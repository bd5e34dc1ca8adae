"""What a person sees while a run goes on: a live panel on a terminal, plain lines elsewhere, a table at the end."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from verifiers import types
from workers.scheduling.sample_state import own_work

PLAIN_S = 10.0
STARTING = "starting engines"
"""The coordinator's phase until the first engine is ready."""
LOG_TAIL_BYTES = 4096
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
"""The terminal's control sequences."""
LOG_LINE_CHARS = 120
STATUS_ORDER = tuple(map(str, types.Status))
STATUS_STYLE = {
    "verified": "green",
    "refuted": "red",
    "malformed": "yellow",
    "undecided": "cyan",
    "error": "magenta",
    "unchecked": "blue",
}

Status = Mapping[str, Any]


class Display(Protocol):
    def update(self, status: Status) -> None: ...
    def say(self, text: str) -> None: ...
    def close(self) -> None: ...


class Rates:
    """Samples and tokens per second over the last half minute, without what earlier starts of the run drew."""

    def __init__(self) -> None:
        self._points: list[tuple[float, int, int]] = []

    def add(self, status: Status) -> tuple[float, float]:
        now = time.monotonic()
        self._points.append((now, own_work(status, "samples"), own_work(status, "completion_tokens")))
        while len(self._points) > 2 and now - self._points[0][0] > 30:
            self._points.pop(0)
        (t0, s0, k0), (t1, s1, k1) = self._points[0], self._points[-1]
        seconds = max(t1 - t0, 1e-9)
        return (s1 - s0) / seconds, (k1 - k0) / seconds


def eta_s(status: Status, num_problems: int) -> float | None:
    """Seconds left at this start's average rate of settled problems, or until a budget's ceiling if that is nearer."""
    settled, elapsed = status.get("problems_settled", 0), status.get("generating_s", 0.0)
    here = settled - status.get("problems_resumed", 0)
    own = elapsed * (num_problems - settled) / here if here > 0 and elapsed else None
    ceiling = status.get("budget_eta_s")
    known = [value for value in (own, ceiling) if value is not None]
    return min(known, default=None)


def clock(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def is_starting(status: Status) -> bool:
    return status.get("phase") == STARTING


def starting_line(status: Status, log_folder: str) -> str:
    """A line for a start that takes minutes: what it is doing, and where to read more."""
    line = f"{STARTING}: {clock(status.get('elapsed_s'))} so far"
    if not log_folder:
        return line
    last = last_log_line(log_folder)
    return f"{line}; their logs are in {log_folder}" + (f", which end with: {last}" if last else "")


def last_log_line(folder: str) -> str:
    """The last line of the newest engine log. Empty where this machine has none, as on a cluster."""
    try:
        youngest = max(Path(folder).glob("engine-*.log"), key=lambda path: path.stat().st_mtime, default=None)
        if youngest is None:
            return ""
        with youngest.open("rb") as stream:
            stream.seek(max(0, youngest.stat().st_size - LOG_TAIL_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    printable = ("".join(filter(str.isprintable, COLOURS.sub("", line))).strip() for line in reversed(lines))
    return next((line[:LOG_LINE_CHARS] for line in printable if line), "")


def money(status: Status) -> str:
    """What was spent. Empty without a configured price, so that a run does not look free."""
    return f"${status['usd']:,.4f}" if status["usd"] else ""


def one_line(status: Status, rates: tuple[float, float], num_problems: int, log_folder: str = "") -> str:
    if "samples" not in status:
        return f"{status.get('phase', '')} …"
    if is_starting(status):
        return starting_line(status, log_folder)
    spent = money(status)
    statuses = " ".join(f"{name} {status['statuses'][name]:,}" for name in STATUS_ORDER if status["statuses"].get(name))
    return (
        f"{status['phase']}: {status['problems_settled']:,}/{num_problems:,} problems settled, "
        f"{status['problems_solved']:,} solved | {status['samples']:,} samples ({statuses or 'none yet'}) | "
        f"{rates[0]:.1f} samples/s {rates[1]:,.0f} tokens/s | running {status['running']}, to check "
        f"{status['unchecked']}, to write {status['unwritten']} | elapsed {clock(status['elapsed_s'])} "
        f"ETA {clock(eta_s(status, num_problems))}" + (f" | {spent}" if spent else "")
    )


class PlainDisplay:
    """One line every PLAIN_S seconds, for logs."""

    def __init__(self, num_problems: int, log_folder: str = "") -> None:
        self._num_problems = num_problems
        self._log_folder = log_folder
        self._rates = Rates()
        self._last = 0.0

    def update(self, status: Status) -> None:
        rates = self._rates.add(status)
        if time.monotonic() - self._last >= PLAIN_S:
            self._last = time.monotonic()
            print(one_line(status, rates, self._num_problems, self._log_folder), flush=True)

    def say(self, text: str) -> None:
        print(text, flush=True)

    def close(self) -> None:
        pass


class LiveDisplay:
    """A table that is redrawn in place."""

    def __init__(self, num_problems: int, console: Console, log_folder: str = "") -> None:
        self._num_problems = num_problems
        self._log_folder = log_folder
        self._rates = Rates()
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._live.start()

    def update(self, status: Status) -> None:
        rates = self._rates.add(status)
        if "samples" not in status:
            self._live.update(f"[bold]proofmill[/] {status.get('phase', '')} …")
            return
        if is_starting(status):
            self._live.update(Text(f"proofmill {starting_line(status, self._log_folder)}"))
            return
        table = Table.grid(padding=(0, 2))
        settled = status["problems_settled"]
        width = 36
        filled = int(width * settled / max(1, self._num_problems))
        bar = f"[green]{'━' * filled}[/][dim]{'━' * (width - filled)}[/]"
        table.add_row(
            "problems", f"{bar} {settled:,}/{self._num_problems:,}", f"[bold]{status['problems_solved']:,} solved[/]"
        )
        verdicts = "  ".join(
            f"[{STATUS_STYLE[name]}]{name} {status['statuses'].get(name, 0):,}[/]" for name in STATUS_ORDER
        )
        table.add_row("verdicts", verdicts, f"{status['aborted']:,} aborted")
        table.add_row(
            "speed",
            f"{rates[0]:.1f} samples/s   {rates[1]:,.0f} tokens/s",
            f"{status['completion_tokens']:,} tokens",
        )
        table.add_row(
            "queues",
            f"running {status['running']}   to check {status['unchecked']}   to write {status['unwritten']}",
            f"{status['replicas']} replicas",
        )
        table.add_row(
            status["phase"],
            f"elapsed {clock(status['elapsed_s'])}   ETA {clock(eta_s(status, self._num_problems))}",
            money(status),
        )
        self._live.update(table)

    def say(self, text: str) -> None:
        self._live.console.print(text, highlight=False, markup=False)

    def close(self) -> None:
        self._live.stop()


def open_display(num_problems: int, log_folder: str = "") -> Display:
    """`log_folder`: where the engines write their logs."""
    console = Console()
    if console.is_terminal and sys.stdout.isatty():
        return LiveDisplay(num_problems, console, log_folder)
    return PlainDisplay(num_problems, log_folder)
