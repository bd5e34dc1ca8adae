"""The story of one sample: from the live coordinator while it is in flight, else from its row and the run's logs.

    p0008:3 ──► coordinator of the run (found by name on the Ray of its last start)   changes of state, up to now
           └──► samples/*.parquet, logs/*.log                                         its row, and every line about it

Promises: where the run cannot be asked, the story comes from what it stored, and a note says why. Reads only.
Does not: keep stories. At log level `debug` a run logs the story of every sample, at other levels only of those given
up.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow.compute as pc

from jobs.config import ConfigError
from runstore.errors import NoRunError
from runstore.layout import LOGS, SAMPLES
from runstore.reader import read_rows, read_run_json, sample_keys
from runstore.storage import Storage, open_storage
from workers.coordinator.names import NAMESPACE, coordinator_name
from workers.logs import LEVEL_VARIABLE

ASK_S = 10.0
"""Longest wait for a coordinator's answer, in seconds."""
KNOCK_S = 2.0
"""Longest wait for the address of a Ray to accept a connection, in seconds."""
COLUMNS = (
    *(
        "status",
        "reason",
        "finish_reason",
        "prompt_tokens",
        "completion_tokens",
        "attempt",
        "round",
        "epoch",
        "replica",
    ),
    *("queue_s", "generation_s", "verify_s", "finished_at"),
)
ENTRY = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z [A-Z]+ proofmill\S* ", re.MULTILINE)
"""Matches the beginning of a log event, which may have several lines."""


def story_of_sample(uri: str, sample: str, say: Callable[[str], object] = print) -> str:
    """`sample` is PROBLEM:INDEX; notes for the user go to `say`. Raises ConfigError where nothing is known of it."""
    problem_id, _, number = sample.rpartition(":")
    if not problem_id or not (number.isascii() and number.isdigit()):
        raise ConfigError(
            f"--story {sample}: expected PROBLEM:INDEX, a problem's id and a number, for instance demo-7:3"
        )
    storage = open_storage(uri)
    record = read_run_json(storage)
    if record is None:
        raise NoRunError(f"{storage.uri}: no run here; give the folder that has its run.json")
    index = int(number)
    if not record.get("complete"):
        story, fault = ask(storage.uri, record, problem_id, index)
        if story:
            return story
        if fault:
            say(fault)
    found = [*stored_row(storage, problem_id, index), *log_lines(storage, problem_id, index)]
    if not found:
        raise ConfigError(
            f"{storage.uri}: nothing is known of sample {problem_id}:{index}: it is not on its way, no part has its "
            f"row, and no log names it; logs at {LEVEL_VARIABLE}=debug have every sample"
        )
    return "\n".join([f"sample {problem_id}:{index}", *found])


def ask(uri: str, record: dict[str, Any], problem_id: str, index: int) -> tuple[str, str]:
    """(story, why there is none) from the run's live coordinator. Both are empty if it lives and the sample is not in
    flight, or if no coordinator lives."""
    start = (record.get("starts") or [{}])[-1]
    address = str(start.get("ray_address", ""))
    if not address or not listens(address):
        return "", ""
    import ray
    import ray.exceptions
    from ray.util import list_named_actors

    try:
        with joined(address):
            prefix = coordinator_name(uri)
            for actor in list_named_actors(all_namespaces=True):
                if actor["namespace"] == NAMESPACE and actor["name"].startswith(prefix):
                    coordinator = ray.get_actor(actor["name"], NAMESPACE)
                    if story := ray.get(coordinator.story.remote(problem_id, index), timeout=ASK_S):
                        return str(story), ""
    except Exception as error:  # many causes: another version, no node of the cluster here, no token, a dying actor
        first = (str(error).strip().splitlines() or [""])[0]
        return "", (
            f"the run's coordinator was not reached by the Ray at {address}, on {start.get('host', 'its host')} "
            f"({type(error).__name__}: {first}); give this command there. What follows is from the stored run."
        )
    return "", ""


def listens(address: str) -> bool:
    """Whether anything accepts connections at `host:port`."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), KNOCK_S).close()
    except (OSError, ValueError):
        return False
    return True


@contextlib.contextmanager
def joined(address: str) -> Iterator[None]:
    """Makes this process a client of that Ray for the length of the block. A process that has joined a Ray already
    stays with it."""
    import ray

    from cluster.connect import start_ray

    if ray.is_initialized():
        yield
        return
    start_ray(address, logging_level=logging.ERROR, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()


def stored_row(storage: Storage, problem_id: str, index: int) -> Iterator[str]:
    """What the sample's row says about it; nothing where no part has the row."""
    chosen = (pc.field("problem_id") == problem_id) & (pc.field("sample_index") == index)
    for key in sample_keys(storage.keys(SAMPLES)):
        for row in read_rows(storage, key, ("problem_id", "sample_index", *COLUMNS), chosen):
            verdict = f"{row['status']} ({row['reason']})" if row["status"] else "aborted, without a verdict"
            verify_s = row["verify_s"] or 0.0
            yield f"  durable in {key}: {verdict}"
            yield (
                f"  drawn by {row['replica']} in start {row['epoch']}, attempt {row['attempt']}, round {row['round']}; "
                f"ended by {row['finish_reason']} at {row['finished_at'].isoformat(timespec='seconds')}"
            )
            yield (
                f"  {row['prompt_tokens']:,} + {row['completion_tokens']:,} tokens; {row['queue_s']:.3f} s queued, "
                f"{row['generation_s']:.3f} s drawn, {verify_s:.3f} s checked"
            )


def log_lines(storage: Storage, problem_id: str, index: int) -> Iterator[str]:
    """Every event of the run's logs that names the sample, oldest first, with the file that has it."""
    named = re.compile(rf"sample {re.escape(problem_id)}:{index}(?!\d)")
    found: list[tuple[str, str]] = []
    for key in storage.keys(LOGS):
        if not key.endswith(".log"):
            continue
        text = (storage.read(key) or b"").decode("utf-8", "replace")
        starts = [match.start() for match in ENTRY.finditer(text)]
        for start, end in itertools.pairwise([*starts, len(text)]):
            if named.search(text, start, end):
                found.append((text[start:end].rstrip("\n"), key.removeprefix(LOGS)))
    for event, name in sorted(found):
        first, *rest = event.splitlines()
        yield f"  {name}: {first}"
        yield from (f"    {line}" for line in rest)
