"""What a client sees of its runs: the list, progress while one runs, its log, and its samples in pages.

Promises: a page is a piece of the run's rows as they are stored, so a client without access to the operator's bucket
gets the same product. Following the cursor gives every row once, also while the run goes on: a cursor holds a place per
stream of parts, whose slots are filled in order (runstore.parts). Work and memory per request are bounded: a page may
have fewer rows than were asked for, even none, and still have a successor.
Does not: sort.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import io
import json
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.service.http_errors import HttpProblem
from jobs.service.paging import page_of
from jobs.service.processes import read_tail
from jobs.service.runs import INDEX, Progress, RunBody, RunKeeper, RunList, run_storage
from jobs.service.settings import Runs
from jobs.service.verifying import finite
from runstore.layout import REQUEST_LOG
from runstore.parts import list_parts
from runstore.reader import read_part, read_run_json
from runstore.schema import SAMPLE_SCHEMA
from runstore.storage import Storage, open_storage

MAX_SCANNED_ROWS = 100_000
"""Rows that one request looks at."""
MAX_PAGE_BYTES = 32 << 20
"""Size of the rows of one page in memory, after which it ends early."""
COUNTED = ["problem_id", "status", "completion_tokens"]
FILTERED = ("status", "kind", "problem_id", "finish_reason")
"""Columns by whose value rows can be chosen."""
RUNS_COUNTED = 16
"""Runs whose counts are kept in memory."""

Cursor = dict[str, tuple[int, int]]
"""Stream of parts → slot and row of the first row that was not read yet."""


@dataclasses.dataclass(frozen=True, slots=True)
class Filters:
    """Which rows and columns of a run are wanted. An empty value means all."""

    status: str = ""
    kind: str = ""
    problem_id: str = ""
    finish_reason: str = ""
    columns: tuple[str, ...] = ()

    def condition(self) -> Any:
        """The rows as a pyarrow expression; None for all."""
        condition = None
        for name in FILTERED:
            if value := getattr(self, name):
                one = pc.field(name) == value
                condition = one if condition is None else condition & one
        return condition


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    rows: pa.Table
    cursor: str
    """Where the next page begins."""
    has_more: bool
    """Whether rows are known to follow. While the run goes on, more may come later."""


@dataclasses.dataclass(slots=True)
class Counts:
    """What the durable rows of one run are. Counted once per part, since a part never changes."""

    parts: set[str] = dataclasses.field(default_factory=set)
    statuses: Counter[str] = dataclasses.field(default_factory=Counter)
    begun: set[str] = dataclasses.field(default_factory=set)
    solved: set[str] = dataclasses.field(default_factory=set)
    completion_tokens: int = 0

    def add(self, batch: pa.RecordBatch) -> None:
        for row in batch.to_pylist():
            self.statuses[row["status"] or "aborted"] += 1
            self.completion_tokens += row["completion_tokens"]
            self.begun.add(row["problem_id"])
            if row["status"] == "verified":
                self.solved.add(row["problem_id"])


class ResultKeeper(RunKeeper):
    """The keeper of runs, with what their owners read."""

    def __init__(self, settings: Runs, ray_address: str = "") -> None:
        super().__init__(settings, ray_address)
        self._counted: OrderedDict[str, Counts] = OrderedDict()
        self._counting = threading.Lock()

    def run_ids(self, owner: str) -> list[str]:
        """Ids of the owner's runs without its name, sorted."""
        self.require_runs()
        prefix = f"{INDEX}{owner}/"
        keys = open_storage(self.settings.output_uri).keys(prefix)
        return [key.removeprefix(f"{prefix}{owner}.") for key in keys]

    def list_runs(self, owner: str, after: str, limit: int) -> RunList:
        after = after.removeprefix(f"{owner}.")
        return page_of(RunList, self.run_ids(owner), after, limit, lambda key: self.describe(f"{owner}.{key}"))

    def status(self, owner: str, run_id: str) -> RunBody:
        full = self.owned(owner, run_id)
        return self.describe(full).model_copy(update={"progress": self.progress(full)})

    def progress(self, full: str) -> Progress:
        storage = run_storage(self.settings.output_uri, full)
        with self._counting:  # starting and stopping must not wait for a count
            counts = self._counted.setdefault(full, Counts())
            self._counted.move_to_end(full)
            while len(self._counted) > RUNS_COUNTED:
                self._counted.popitem(last=False)
            for part in list_parts(storage):
                if part.key not in counts.parts:
                    for batch in read_part(storage, part.key, COUNTED):
                        counts.add(batch)
                    counts.parts.add(part.key)
            problems = (read_run_json(storage) or {}).get("problems", {}).get("num_problems")
            return Progress(
                problems=problems,
                problems_begun=len(counts.begun),
                solved=len(counts.solved),
                samples=counts.statuses.total(),
                statuses=dict(counts.statuses),
                completion_tokens=counts.completion_tokens,
            )

    def log(self, owner: str, run_id: str, num_bytes: int) -> bytes:
        """The end of what the run's process writes or wrote."""
        full = self.owned(owner, run_id)
        with self._lock:
            path = self.processes().log_of(full)
        if path is not None:
            return read_tail(path, num_bytes)
        data = run_storage(self.settings.output_uri, full).read(REQUEST_LOG)
        if data is None:
            raise HttpProblem(404, "not-yet", "the run has no log here")
        return data if len(data) <= num_bytes else data[-num_bytes:].partition(b"\n")[2]

    def samples(self, owner: str, run_id: str, filters: Filters, cursor: str, limit: int) -> Page:
        """A page of the run's rows."""
        storage = run_storage(self.settings.output_uri, self.owned(owner, run_id))
        return read_page(storage, filters, parse_cursor(cursor), limit)


def read_page(storage: Storage, filters: Filters, places: Cursor, limit: int) -> Page:
    names = [name for name in SAMPLE_SCHEMA.names if not filters.columns or name in filters.columns]
    condition = filters.condition()
    filtered = {name for name in FILTERED if getattr(filters, name)}
    asked = [name for name in SAMPLE_SCHEMA.names if name in names or name in filtered]
    pieces: list[pa.Table] = []
    taken = scanned = size = 0
    has_more = False
    for stream, slot, start, batch in batches_from(storage, places, asked):
        if taken >= limit or scanned >= MAX_SCANNED_ROWS or size >= MAX_PAGE_BYTES:
            has_more = True
            break
        table = pa.Table.from_batches([batch])
        table = table.append_column(ROW, pa.array(range(start, start + len(table)), pa.int64()))
        found = (table if condition is None else table.filter(condition)).slice(0, limit - taken)
        scanned += len(table)
        taken += len(found)
        size += found.nbytes
        # Where the page is full, the rows of this batch after its last one belong to the next page.
        is_cut = taken >= limit and len(found) > 0
        places[stream] = slot, (found[ROW][-1].as_py() + 1 if is_cut else start + len(table))
        pieces.append(found.select(names))
    schema = pa.schema([SAMPLE_SCHEMA.field(name) for name in names])
    rows = pa.concat_tables(pieces) if pieces else schema.empty_table()
    return Page(rows, write_cursor(places), has_more or has_rows_after(storage, places, taken >= limit))


ROW = "__row"
"""Name of the column that numbers a part's rows while a page is cut."""


def batches_from(
    storage: Storage, places: Mapping[str, tuple[int, int]], columns: Sequence[str]
) -> Iterator[tuple[str, int, int, pa.RecordBatch]]:
    """(stream, slot, number of the first row, rows) of what lies after `places`."""
    begin = dict(places)
    for part in list_parts(storage):
        slot, row = begin.get(part.stream, (0, 0))
        if part.slot < slot:
            continue
        start = 0
        for batch in read_part(storage, part.key, columns):
            skip = min(max(row - start, 0), len(batch)) if part.slot == slot else 0
            if skip < len(batch):
                yield part.stream, part.slot, start + skip, batch.slice(skip)
            start += len(batch)


def has_rows_after(storage: Storage, places: Cursor, is_full: bool) -> bool:
    """Whether there is a row that a full page left. A page that was not full has read to the end."""
    return is_full and next(batches_from(storage, places, ["problem_id"]), None) is not None


def parse_cursor(text: str) -> Cursor:
    """Raises HttpProblem 422."""
    if not text:
        return {}
    try:
        places = json.loads(base64.urlsafe_b64decode(text.encode()))
        found = {stream: (slot, row) for stream, (slot, row) in places.items()}
        if not all(isinstance(number, int) for pair in found.values() for number in pair):
            raise ValueError
        return found
    except (ValueError, TypeError, AttributeError, RecursionError):
        fault = {"parameter": "cursor", "detail": "not a cursor of this service; leave it out to begin"}
        raise HttpProblem(422, "invalid-request", "one fault in the request", errors=[fault]) from None


def write_cursor(places: Cursor) -> str:
    return base64.urlsafe_b64encode(json.dumps(places, separators=(",", ":")).encode()).decode()


def to_jsonl(table: pa.Table) -> bytes:
    """One JSON object per row. Columns that hold JSON as text stay text, as in Parquet."""
    return "".join(json.dumps(finite(row), default=encode_value) + "\n" for row in table.to_pylist()).encode()


def encode_value(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def to_parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()
