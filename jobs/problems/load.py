"""Problem sets, from files to `Problem`s: a full check before any GPU is touched, then a lazy stream.

Promises: `check_problems` reads every row once and either raises with the first faults (file, line, field, what was
wrong, what would be right) or, with `skip_bad`, records them; `stream_problems` then yields exactly the problems that
the check counted, in the same order, in memory that grows with the set by only some 40 bytes per id. An id occurs once
over all files.
Does not: notice a file that changes between the check and the stream; compare `ProblemSetSummary.sha256` for that.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import functools
import hashlib
import itertools
import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence

from jobs.config import ConfigError, Problems
from jobs.problem_settings import ProblemFiles
from jobs.problems import canonical, layouts, sources
from jobs.problems.errors import (
    MAX_SHOWN,
    BadFile,
    BadRow,
    ProblemFileError,
    RowError,
    describe_reasons,
    identity_of,
    reason_of,
)
from jobs.problems.hub import Wanted
from jobs.problems.layouts import Layout
from jobs.problems.mapping import MappingError, compile_problem_mapping
from jobs.problems.places import find_sources, short_labels, tell_apart
from jobs.problems.repeats import PromptTable, shown_texts
from jobs.problems.rows import RowContext
from jobs.problems.sources import Row, Source
from verifiers.answer_keys import has_answer_key
from verifiers.kinds import KINDS
from verifiers.reference_fields import excerpt
from verifiers.types import NO_ANSWER_KEY, Json, Problem
from workers.engines.remote.confidential import MARK, is_confidential, is_confidential_row, is_of_place

MAX_SKIPPED = 10_000
"""Number of bad rows that `skip_bad` allows. More of them mean a wrong file or layout, which is an error."""
ID_FIELDS = ("id", "task_id", "unique_id", "problem_id", "question_id", "custom_id", "name", "Record ID")
"""Columns in which publishers give ids. They name a row that cannot be used."""
MAX_ROWS_TO_RECOGNISE = 20
"""Number of broken rows that may stand before the first one that shows the layout."""

encode_sorted = json.JSONEncoder(sort_keys=True).encode

CheckReference = Callable[[Problem], str | None]
"""`Checker.check_problem`: what is wrong with a problem's reference, None if it can be used."""


@dataclasses.dataclass(frozen=True, slots=True)
class SourceSummary:
    """One file: its URI, its layout and how many of its problems are used."""

    uri: str
    layout: str
    num_problems: int


@dataclasses.dataclass(frozen=True, slots=True)
class ProblemSetSummary:
    """What a checked set holds. `sha256` is over the canonical JSON of its problems in order, whatever file they came
    in."""

    num_problems: int
    by_kind: dict[str, int]
    by_domain: dict[str, int]
    sha256: str
    sources: tuple[SourceSummary, ...]
    skipped: tuple[RowError, ...] = ()
    reasons: dict[str, int] = dataclasses.field(default_factory=dict)
    """How many references cannot be used, by reason."""
    by_route: dict[str, int] = dataclasses.field(default_factory=dict)
    """How many problems go to each pool or cascade; empty where all go the same way."""
    confidential: dict[str, int] = dataclasses.field(default_factory=dict)
    """The same of the problems of confidential sources; under an empty name where all go the same way."""
    num_repeated: int = 0
    """How many problems ask what an earlier one has asked; with `unique_prompts` they are left out of all else."""
    keyless: dict[str, int] = dataclasses.field(default_factory=dict)
    """How many of the problems that go to each pool or cascade have no answer key; as `confidential`."""
    strays: tuple[str, ...] = ()
    """JSON files that were found in a folder and hold no problems, such as descriptions of the data set."""
    has_unique_prompts: bool = False
    """Whether problems that repeat a prompt are left out."""
    longest_prompt: int = 0
    """Bytes of the longest problem as a model is shown it, which are at least as many as its tokens."""

    @property
    def num_keyless(self) -> int:
        """How many problems have no answer key."""
        return sum(self.keyless.values())

    def to_json(self) -> dict[str, Json]:
        return dataclasses.asdict(self)

    def describe(self) -> str:
        """A few lines for a terminal."""
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.by_kind.items()))
        keyless = f", {self.num_keyless:,} without an answer key" if self.num_keyless else ""
        lines = [f"{self.num_problems:,} problems ({kinds}){keyless}, sha256 {self.sha256[:12]}"]
        lines += [f"  {source.uri}: {source.num_problems:,} of layout {source.layout}" for source in self.sources]
        if self.num_repeated:
            repeats = f"{self.num_repeated:,} problems repeat the prompt of an earlier one"
            is_out = self.has_unique_prompts
            lines.append(
                f"  {repeats}" + (", left out" if is_out else "; problems.unique_prompts = true leaves them out")
            )
        lines += [f"  {uri}: no problem file, left out" for uri in self.strays]
        if self.skipped:
            lines.append(f"  skipped {len(self.skipped):,} bad rows, the first: {self.skipped[0]}")
            lines += [f"  {line}" for line in describe_reasons(self.reasons)]
        return "\n".join(lines)


def check_problems(
    config: Problems,
    check_reference: CheckReference | None = None,
    side_by_side: int = 1,
    route_of: Callable[[Problem], str] | None = None,
) -> ProblemSetSummary:
    """Reads the whole set (up to `limit`), and checks references of slow kinds `side_by_side`. `route_of` names the
    pool or cascade of a problem. Raises ProblemFileError, or ConfigError for `layout` and `columns` themselves."""
    faults: list[RowError] = []
    num_faults = num_problems = num_repeated = 0
    prompts = PromptTable()
    reasons: collections.Counter[str] = collections.Counter()
    kinds, domains, routes, confidential, keyless = (collections.Counter[str]() for _ in range(5))
    longest = 0
    by_source: collections.Counter[tuple[str, str]] = collections.Counter()
    content = hashlib.sha256()
    strays: list[str] = []
    for place, item, wrong in _checked(config, check_reference, side_by_side, strays):
        if isinstance(item, Problem):
            if wrong is None:
                shown = shown_texts(item)
                if prompts.add(item, shown):
                    num_repeated += 1
                    if config.unique_prompts:
                        continue
                num_problems += 1
                kinds[str(item.kind)] += 1
                domains[item.domain] += 1
                route = "" if route_of is None else route_of(item)
                if route_of is not None:
                    routes[route] += 1
                if not has_answer_key(item.kind, item.reference):
                    keyless[route] += 1
                if is_confidential(item, config.confidential):
                    confidential[route] += 1
                longest = max(longest, sum(map(len, shown)))
                by_source[place.source.uri, place.layout] += 1
                content.update(encode_sorted(item.to_json()).encode() + b"\n")
                if num_problems == config.limit:
                    break
                continue
            item = RowError(place.source.uri, place.line, "reference", wrong, f"problem {item.id}", item.id)
            reasons[reason_of(item)] += 1
        elif item.wrong == NO_ANSWER_KEY:
            reasons[NO_ANSWER_KEY] += 1
        num_faults += 1
        if len(faults) < (MAX_SKIPPED if config.skip_bad else MAX_SHOWN):
            faults.append(item)
    if num_faults and (not config.skip_bad or num_faults > MAX_SKIPPED or not num_problems):
        raise ProblemFileError(faults[:MAX_SHOWN], num_faults, reasons)
    return ProblemSetSummary(
        num_problems=num_problems,
        by_kind=dict(kinds),
        by_domain=dict(domains),
        sha256=content.hexdigest(),
        sources=tuple(SourceSummary(uri, layout, count) for (uri, layout), count in by_source.items()),
        skipped=tuple(faults),
        reasons=dict(reasons),
        by_route=dict(routes),
        confidential=dict(confidential),
        num_repeated=num_repeated,
        has_unique_prompts=config.unique_prompts,
        keyless=dict(keyless),
        strays=tuple(strays),
        longest_prompt=longest,
    )


def _checked(
    config: Problems, check_reference: CheckReference | None, side_by_side: int, strays: list[str]
) -> Iterator[tuple[Place, Problem | RowError, str | None]]:
    """Every row in order, with what is wrong with its reference. No row is read that the limit might leave out."""
    check = check_reference or (lambda problem: None)
    rows = scan(config, strays)
    pending: collections.deque[tuple[Place, Problem | RowError, Callable[[], str | None]]] = collections.deque()
    num_problems = 0
    with concurrent.futures.ThreadPoolExecutor(max(1, side_by_side)) as pool:
        while True:
            room = side_by_side if not config.limit else min(side_by_side, config.limit - num_problems)
            while len(pending) < max(1, room) and (row := next(rows, None)) is not None:
                place, item = row
                if not isinstance(item, Problem):
                    pending.append((place, item, lambda: None))
                elif check_reference and side_by_side > 1 and KINDS.row(item.kind).is_reference_slow:
                    pending.append((place, item, pool.submit(check, item).result))
                else:
                    pending.append((place, item, functools.partial(check, item)))
            if not pending:
                return
            place, item, result = pending.popleft()
            wrong = result()
            num_problems += isinstance(item, Problem) and wrong is None
            yield place, item, wrong


def stream_problems(config: Problems, skipped: Iterable[RowError] = ()) -> Iterator[Problem]:
    """The problems of the set, lazily. With `skip_bad`, give `ProblemSetSummary.skipped`, so that what the check
    refused for its reference stays out too. Without it the first fault raises ProblemFileError."""
    skip = {(fault.file, fault.line) for fault in skipped}
    prompts = PromptTable() if config.unique_prompts else None
    left = config.limit or -1
    for place, item in scan(config):
        if isinstance(item, RowError):
            if not config.skip_bad:
                raise ProblemFileError([item])
        elif (place.source.uri, place.line) not in skip and not (prompts is not None and prompts.add(item)):
            yield item
            left -= 1
            if left == 0:
                return


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    source: Source
    line: int
    layout: str


def scan(config: Problems, strays: list[str] | None = None) -> Iterator[tuple[Place, Problem | RowError]]:
    """Every row of the set as a problem or as the fault that it is: both the check and the stream read this. A file
    without rows is a fault only where all are. JSON files of a folder that hold no problems are left out, and their
    names are added to `strays`. Raises ProblemFileError for files that are not there and for unknown layouts, which
    `skip_bad` cannot help."""
    needs_reference = config.unchecked == "refuse"
    parts = [(part, wanted_layout(part, key, needs_reference)) for key, part in config.parts()]
    found = find_parts(config)
    seen = IdTable()
    empty: list[tuple[Place, RowError]] = []
    unknown: list[ProblemFileError] = []
    has_rows = False
    for number, (source, place_of_part) in enumerate(found):
        part, wanted = parts[place_of_part]
        try:
            layout, rows = settle_layout(source, sources.read_rows(source), wanted)
        except ProblemFileError as error:
            if not may_be_stray(source):
                raise
            unknown.append(error)
            if strays is not None:
                strays.append(source.uri)
            continue
        refuse_kind(source, layout, part.kind)
        for line, row in rows:
            place = Place(source, line, layout.name if layout else "")
            if line == 0 and isinstance(row, RowError):
                empty.append((place, row))
                continue
            has_rows = True
            if isinstance(row, RowError) or layout is None:
                if isinstance(row, RowError):
                    yield place, row
                continue
            try:
                problem = layout.read(row, RowContext(source.label, line, part.kind))
                problem = canonical.check(layouts.with_source(problem, source.uri))
                problem = with_mark(problem, row, source, config.confidential)
                if config.unchecked == "refuse":
                    canonical.require_answer_key(problem)
                if first := seen.add(problem.id, number, line):
                    where = f"{found[first[0]][0].uri}:{first[1]}"
                    raise BadRow("id", f"{excerpt(problem.id)} is also the id of {where}", "an id that occurs once")
            except BadFile as fault:
                raise ProblemFileError([fault.at(source.uri, line)]) from None
            except BadRow as fault:
                fault.identity = identity_of(row, *ID_FIELDS, layout.id_column)
                yield place, fault.at(source.uri, line)
            else:
                yield place, problem
    if not has_rows:
        yield from empty
        if unknown:
            raise unknown[0]


def may_be_stray(source: Source) -> bool:
    """Whether a file of no known layout is left out: a JSON file of a folder often describes the data set."""
    return source.is_found and source.format == "json"


def with_mark(problem: Problem, row: Row, source: Source, confidential: Sequence[str]) -> Problem:
    """The problem, with `meta.confidential` where only its file or its row says that it is confidential: a layout may
    have a source of its own, such as `mmlu`, whatever file its rows are in. A problem that says it itself is left as it
    is, so that its hash stays the same."""
    if is_confidential(problem, confidential):
        return problem
    if not (is_of_place(source.place, confidential) or is_confidential_row(row, confidential)):
        return problem
    return dataclasses.replace(problem, meta={**problem.meta, MARK: True})


def find_parts(config: Problems) -> list[tuple[Source, int]]:
    """Every file of the set, with the number of the part of the config that names it. Raises ProblemFileError for
    files that are not there and for one that two parts name."""
    parts = config.parts()
    found = [
        (source, number)
        for number, (_, part) in enumerate(parts)
        for source in find_sources(part.files, Wanted(part.config, part.split, part.revision))
    ]
    if len(parts) == 1:
        return found
    owner: dict[tuple[str, str], int] = {}
    for source, number in found:
        if (first := owner.setdefault((source.system, source.path), number)) != number:
            places = f"named by {parts[first][0]} and by {parts[number][0]}"
            raise ProblemFileError([RowError(source.uri, 0, "", places, "name it once")])
    apart = tell_apart(source for source, _ in found)
    labels = short_labels([source.uri for source in apart])
    return [
        (dataclasses.replace(source, label=label), number)
        for source, label, (_, number) in zip(apart, labels, found, strict=True)
    ]


def refuse_kind(source: Source, layout: Layout | None, kind: str) -> None:
    """Raises ConfigError for a `problems.kind` that the file's layout cannot give."""
    if kind and layout is not None and layout.kinds and kind not in layout.kinds:
        gives = " and ".join(layout.kinds)
        raise ConfigError(
            f"problems.kind: {source.uri} is of layout {layout.name}, which gives problems of kind {gives} and not "
            f"{kind}; leave problems.kind out, or set problems.layout"
        )


def wanted_layout(part: ProblemFiles, key: str, needs_reference: bool = True) -> Layout | None:
    """The configured layout, None for `auto`. `key` is the part's place in the config. Raises ConfigError."""
    if part.columns and part.layout != layouts.COLUMNS:
        raise ConfigError(f'{key}.columns: only used by layout "columns"; set {key}.layout = "columns"')
    if part.layout == "auto":
        return None
    if part.layout not in layouts.LAYOUTS:
        raise ConfigError(f"{key}.layout: unknown {part.layout!r}; known are auto, {', '.join(layouts.LAYOUTS)}")
    if part.layout != layouts.COLUMNS:
        return layouts.LAYOUTS[part.layout]
    try:
        return layouts.by_mapping(compile_problem_mapping(part.columns, f"{key}.columns", needs_reference))
    except MappingError as error:
        raise ConfigError(f"{key}.columns: {error}") from None


def settle_layout(
    source: Source, rows: Iterator[tuple[int, Row | RowError]], wanted: Layout | None
) -> tuple[Layout | None, Iterator[tuple[int, Row | RowError]]]:
    """The file's layout and all its rows; None where no row could be read at all. Raises ProblemFileError if unknown,
    and for a mapping that names a column that the file does not have."""
    if wanted is not None:
        if wanted.fault is None:
            return wanted, rows
        first = list(itertools.islice(rows, MAX_ROWS_TO_RECOGNISE))
        if fault := wanted.fault([row for _, row in first if isinstance(row, dict)]):
            raise ProblemFileError([fault.at(source.uri, 0)])
        return wanted, itertools.chain(first, rows)
    head: list[tuple[int, Row | RowError]] = []
    unknown: RowError | None = None
    for line, row in itertools.islice(rows, MAX_ROWS_TO_RECOGNISE):
        head.append((line, row))
        if isinstance(row, dict):
            if layout := layouts.recognise(row):
                return layout, itertools.chain(head, rows)
            unknown = unknown or layouts.unknown_layout(row).at(source.uri, line)
    if unknown is not None:
        raise ProblemFileError([unknown])
    return None, itertools.chain(head, rows)


class IdTable:
    """Ids seen so far and where they were: an open-addressing table of 64-bit digests, at most 43 bytes per id.

    Among a million ids two share a digest with a chance of one in 37 million. They would be reported as duplicates.
    """

    def __init__(self) -> None:
        self._used = 0
        self._digests = array("Q", bytes(8 * 1024))
        self._places = array("Q", bytes(8 * 1024))

    def add(self, identity: str, file: int, line: int) -> tuple[int, int] | None:
        """None if the id is new; else (file, line) of its first occurrence."""
        # Zero marks a free slot.
        digest = int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest()) or 1
        slot = self._slot(digest)
        if self._digests[slot]:
            place = self._places[slot]
            return place >> 40, place & (2**40 - 1)
        self._digests[slot], self._places[slot] = digest, file << 40 | line
        self._used += 1
        if self._used * 4 > len(self._digests) * 3:
            self._grow()
        return None

    def _slot(self, digest: int) -> int:
        mask = len(self._digests) - 1
        slot = digest & mask
        while self._digests[slot] not in (0, digest):
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        digests, places = self._digests, self._places
        self._digests = array("Q", bytes(16 * len(digests)))
        self._places = array("Q", bytes(16 * len(digests)))
        for digest, place in zip(digests, places, strict=True):
            if digest:
                slot = self._slot(digest)
                self._digests[slot], self._places[slot] = digest, place
