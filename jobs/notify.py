"""Posts to a URL of the user's what becomes of a run or a night: one JSON line per event.

    notify = [{url_env = "CHAT_HOOK", on = ["done", "failed", "regression", "stalled"]}]

    {"run_id": "monday", "uri": "s3://bucket/runs/monday", "event": "done", "at": "…", "figures": {…}, "why": ""}

Promises: a post that fails is logged and fails nothing, and no post holds a run up: each has a thread of its own, and
the end of a run waits for them PATIENCE_S at most. The URL is a secret, often with a token in its path: it is read from
the environment, stands in no log, record or error text, and is never followed elsewhere by a redirect.
Does not: try again, or queue. The log reports a line that did not arrive, and the run's own record has the figures.
"""

from __future__ import annotations

import datetime as dt
import http.client
import json
import logging
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from jobs.config import ConfigError, Notify
from verifiers.types import Json

log = logging.getLogger("proofmill.notify")

POST_S = 10.0
"""Longest wait for one answer of the receiver's, in seconds."""
PATIENCE_S = 12.0
"""Longest wait for all posts at the end of a run, in seconds. Otherwise a receiver that sends a byte now and then would
hold up the run for ever."""
WHY_CHARS = 2000
FIGURES = (
    *("problems", "problems_settled", "problems_solved", "samples", "aborted_samples", "statuses", "completion_tokens"),
    *("wall_s", "gpu_s", "cpu_s", "usd", "complete", "stopped"),
)
"""Figures of a run's summary that a posted line has."""
STATUS_FIGURES = (
    *("problems_opened", "problems_settled", "problems_solved", "samples", "aborted", "statuses", "completion_tokens"),
    *("running", "unchecked", "unwritten", "durable", "replicas", "elapsed_s", "usd"),
)
"""Figures of the status that the line of a stalled run has."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, so that only the receiver that the user named gets the line."""

    def redirect_request(self, *_: Any) -> None:
        return None


def url_of(entry: Notify, place: str) -> str:
    """The URL that the entry's variable holds. Raises ConfigError, which says nothing of the value."""
    url = os.environ.get(entry.url_env, "")
    if not url:
        raise ConfigError(
            f"{place}.url_env: the environment variable {entry.url_env} is not set; export it with the URL to post to"
        )
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable or not url.isascii() or any(char <= " " or char == "\x7f" for char in url):
        raise ConfigError(
            f"{place}.url_env: what the environment variable {entry.url_env} holds is no usable URL; it has to be "
            "https://host/path or http://host/path, in ASCII, without spaces and without a user name"
        )
    return url


def check_urls(entries: Sequence[Notify]) -> None:
    """Raises ConfigError for the first entry whose variable is not set or holds no URL."""
    for index, entry in enumerate(entries):
        url_of(entry, f"notify.{index}")


class StallWatch:
    """Finds a run in which samples are in flight and none advances.

    A sample that goes back to the queue, after a worker's death for instance, is no progress. Only a count that was
    never reached before is.
    """

    def __init__(self, after_s: float) -> None:
        self.after_s = after_s
        self._most = (-1, -1)
        self._since: float | None = None
        self._told = False

    def stalled(self, status: Mapping[str, Any], now: float) -> bool:
        """Takes in the coordinator's status; True once per stall."""
        if "samples" not in status:
            return False
        reached = status["samples"] + status["aborted"] + status["unchecked"], status["durable"]
        on_their_way = status["running"] + status["unchecked"] + status["unwritten"]
        moved = reached[0] > self._most[0] or reached[1] > self._most[1]
        self._most = max(self._most[0], reached[0]), max(self._most[1], reached[1])
        if moved or not on_their_way or self._since is None:
            self._since, self._told = now, False
        if self._told or now - self._since < self.after_s:
            return False
        self._told = True
        return True


class Notifier:
    """The receivers of one run or night. An error that leaves the `with` block is posted as `failed`, once even if such
    blocks are nested, and the end of the block waits for posts that are under way. Raises ConfigError where a variable
    holds no URL."""

    def __init__(self, entries: Sequence[Notify], run_id: str, uri: str) -> None:
        check_urls(entries)
        self._entries = tuple(entries)
        self._run_id = run_id
        self._uri = uri
        self._watches = [(StallWatch(entry.stalled_s), entry) for entry in entries if "stalled" in entry.on]
        self._posts: list[threading.Thread] = []
        self._posted: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, Exception) and error is not self._posted:
            self._posted = error
            self.tell("failed", {}, str(error) or type(error).__name__)
        self.wait()

    def tell(self, event: str, figures: Mapping[str, Json], why: str = "") -> None:
        """Posts to every receiver that wants this event; returns at once."""
        for entry in self._entries:
            if event in entry.on:
                self._post(entry, event, figures, why)

    def ended(self, summary: Mapping[str, Json], error: str = "") -> None:
        """Posts how a run ended."""
        self.tell("failed" if error else "done", {key: summary[key] for key in FIGURES if key in summary}, error)

    def watch(self, status: Mapping[str, Json]) -> None:
        """Takes in the status of a live run, some twice per second, and posts `stalled` where it is."""
        now = time.monotonic()
        for watch, entry in self._watches:
            if watch.stalled(status, now):
                log.warning("no sample has got on for %.0f s", watch.after_s)
                figures = {key: status[key] for key in STATUS_FIGURES if key in status}
                self._post(entry, "stalled", figures, f"no sample has got on for {watch.after_s:g} s")

    def wait(self) -> None:
        """Waits for posts that are under way, at most PATIENCE_S."""
        deadline = time.monotonic() + PATIENCE_S
        for post in self._posts:
            post.join(max(0.0, deadline - time.monotonic()))
            if post.is_alive():
                log.warning("%s: given up after %.0f s", post.name, PATIENCE_S)
        self._posts.clear()

    def _post(self, entry: Notify, event: str, figures: Mapping[str, Json], why: str) -> None:
        line = {
            "run_id": self._run_id,
            "uri": self._uri,
            "event": event,
            "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "figures": dict(figures),
            "why": why[:WHY_CHARS],
        }
        body = (json.dumps(line, default=str) + "\n").encode()
        name = f"notify {entry.url_env} of {event}"
        self._posts = [post for post in self._posts if post.is_alive()]
        thread = threading.Thread(target=_deliver, args=(entry, name, body), name=name, daemon=True)
        self._posts.append(thread)
        thread.start()


def _deliver(entry: Notify, name: str, body: bytes) -> None:
    """Posts one line. Faults are logged, in words that cannot contain the URL."""
    try:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url_of(entry, "notify"), body, headers, method="POST")
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=POST_S) as answer:
            log.info("%s: posted, answered with %d", name, answer.status)
    except Exception as error:
        log.warning("%s: not delivered: %s", name, fault_of(error))


def fault_of(error: Exception) -> str:
    """What went wrong with a post. The texts of these errors may quote the URL, so none of them is repeated."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the receiver answered with {error.code}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {POST_S:g} s"
    if isinstance(cause, OSError) and type(cause).__module__ == "builtins" and cause.errno:
        return os.strerror(cause.errno)
    if isinstance(cause, http.client.HTTPException | OSError):
        return type(cause).__name__
    return type(error).__name__
