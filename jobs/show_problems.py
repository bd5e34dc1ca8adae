"""`proofmill problems show FILE`: how a problem file is read. No model, no Ray.

It prints the layout, the first rows as they are read, and counts kinds, domains, bad rows, references that cannot be
read (of kinds whose references are quick to check) and prompts that repeat an earlier one. For a file of no known
layout it proposes a mapping and shows the first rows as read by it.
Exit codes: 0 all rows can be used, 2 the file cannot be read at all, 3 some rows cannot be used, or the layout is only
proposed.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import os
import sys

from jobs.config import ConfigError, Problems
from jobs.errors import TOLD, exit_code_of
from jobs.exit_codes import EXIT_DONE, EXIT_ERRORS
from jobs.problems import layouts, sources
from jobs.problems.errors import ProblemFileError, RowError, describe_reasons, reason_of
from jobs.problems.load import MAX_ROWS_TO_RECOGNISE, may_be_stray, scan
from jobs.problems.mapping_files import add_mapping_arguments, in_terms_of_flags, problems_of
from jobs.problems.places import find_sources
from jobs.problems.proposal import as_toml, propose
from jobs.problems.repeats import PromptTable
from jobs.terminal_texts import printable
from verifiers.answer_keys import has_answer_key
from verifiers.checker import Checkers
from verifiers.kinds import KINDS
from verifiers.reference_fields import excerpt
from verifiers.types import Json, Problem

MAX_CHARS = 400
"""Characters of a prompt or a reference that are shown."""
MAX_DOMAINS = 10
MAX_BAD = 5
"""Number of bad rows that are shown."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a file, glob, folder or id, as in problems.files")
    add_mapping_arguments(parser)
    parser.add_argument("--rows", type=int, default=3, metavar="N", help="rows to show (default: 3)")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="read only so many rows (default: all)")


def run(args: argparse.Namespace) -> int:
    """The command."""
    try:
        if args.rows < 0 or args.limit < 0:
            raise ConfigError("--rows and --limit: give 0 or more")
        config, _ = problems_of(args.file, args)
        config = config.model_copy(update={"unchecked": "accept"})
        row = None if config.layout != "auto" else unknown_row(config)
        if row is None:
            return EXIT_ERRORS if show(config, args) else EXIT_DONE
        return show_proposal(config, row, args)
    except TOLD as error:
        print(f"proofmill: {in_terms_of_flags(str(error), args)}", file=sys.stderr)
        return exit_code_of(error)


def unknown_row(config: Problems) -> dict[str, Json] | None:
    """The first row of the set's first file with readable rows, where no layout knows the file; else None. JSON files
    of a folder that no layout knows count only where the folder has no other file. Raises ProblemFileError."""
    stray: dict[str, Json] | None = None
    for source in find_sources(config.files):
        head = [row for _, row in itertools.islice(sources.read_rows(source), MAX_ROWS_TO_RECOGNISE)]
        readable = [row for row in head if isinstance(row, dict)]
        if any(layouts.recognise(row) for row in readable):
            return None
        if readable and not may_be_stray(source):
            return readable[0]
        stray = stray or next(iter(readable), None)
    return stray


def show_proposal(config: Problems, row: dict[str, Json], args: argparse.Namespace) -> int:
    """Prints the columns of an unknown file and a mapping for it, and reads it by the mapping."""
    print("no layout is known for this file. Its first row:")
    for name, value in row.items():
        print(f"  {name}: {excerpt(value)[:MAX_CHARS]}")
    proposal = propose(row)
    if not proposal:
        print("no column looks like a question; docs/problem_files.md says how a mapping is written")
        return EXIT_ERRORS
    proposal["kind"] = args.kind or proposal["kind"]
    print("\nproposed, to be checked by eye (guessed from the columns' names):\n")
    print(as_toml(proposal, args.file), end="\n\n")
    update = {"layout": layouts.COLUMNS, "kind": proposal["kind"], "columns": proposal["columns"]}
    try:
        show(config.model_copy(update=update), args)
    except (ConfigError, ProblemFileError) as error:
        print(f"as proposed it cannot be read: {error}")
    return EXIT_ERRORS


class Counts:
    """What is counted over all rows."""

    def __init__(self) -> None:
        self.files: collections.Counter[str] = collections.Counter()
        self.kinds: collections.Counter[str] = collections.Counter()
        self.domains: collections.Counter[str] = collections.Counter()
        self.reasons: collections.Counter[str] = collections.Counter()
        self.bad: list[RowError] = []
        self.strays: list[str] = []
        self.num_bad = self.num_repeated = self.num_keyless = 0


def show(config: Problems, args: argparse.Namespace) -> int:
    """Prints everything; returns how many rows cannot be used."""
    counts, prompts, checkers = Counts(), PromptTable(), Checkers(os.cpu_count() or 1)
    try:
        for place, item in itertools.islice(scan(config, counts.strays), args.limit or None):
            counts.files[f"{place.source.uri}: layout {place.layout or 'unknown'}"] += 1
            if isinstance(item, RowError):
                count_bad(counts, item)
                continue
            if counts.kinds.total() < args.rows:
                show_row(item)
            counts.kinds[str(item.kind)] += 1
            counts.domains[item.domain or "(none)"] += 1
            counts.num_repeated += prompts.add(item)
            counts.num_keyless += not has_answer_key(item.kind, item.reference)
            wrong = None if KINDS.row(item.kind).is_reference_slow else checkers.check_problem(item)
            if wrong is not None:
                fault = RowError(place.source.uri, place.line, "reference", wrong, "", item.id)
                counts.reasons[reason_of(fault)] += 1
                count_bad(counts, fault)
    finally:
        checkers.close()
    print_counts(counts, args)
    return counts.num_bad


def count_bad(counts: Counts, fault: RowError) -> None:
    counts.num_bad += 1
    if len(counts.bad) < MAX_BAD:
        counts.bad.append(fault)


def show_row(problem: Problem) -> None:
    about = ", ".join(part for part in (str(problem.kind), problem.domain, problem.source, problem.split) if part)
    print(f"{printable(problem.id)} ({printable(about)})")
    print(f"  shown:     {cut(KINDS.row(problem.kind).show(problem))}")
    print(f"  reference: {cut(json.dumps(problem.reference, ensure_ascii=False))}")
    if problem.meta:
        print(f"  meta:      {cut(json.dumps(problem.meta, ensure_ascii=False))}")


def cut(text: str) -> str:
    """At most MAX_CHARS, on one line, with what a terminal would act upon escaped."""
    return printable(text if len(text) <= MAX_CHARS else text[:MAX_CHARS] + "…")


def print_counts(counts: Counts, args: argparse.Namespace) -> None:
    print()
    for name, count in counts.files.items():
        print(f"{name}, {count:,} row{'' if count == 1 else 's'}")
    for uri in counts.strays:
        print(f"{uri}: no problem file, left out")
    print("kinds: " + (", ".join(f"{count:,} {kind}" for kind, count in counts.kinds.most_common()) or "none"))
    listed = [f"{printable(name)} {count:,}" for name, count in counts.domains.most_common(MAX_DOMAINS)]
    more = len(counts.domains) - len(listed)
    print("domains: " + (", ".join(listed) or "none") + (f" and {more:,} more" if more > 0 else ""))
    share = f"{counts.num_repeated:,} of {counts.kinds.total():,} problems repeat the prompt of an earlier one"
    print(share + ("; problems.unique_prompts = true leaves them out" if counts.num_repeated else ""))
    if counts.num_keyless:
        print(f'{counts.num_keyless:,} problems have no answer key; problems.unchecked = "accept" solves them even so')
    if not counts.num_bad:
        print("every row can be used")
        return
    print(f"{counts.num_bad:,} rows cannot be used, the first:")
    for fault in counts.bad:
        print(f"  {in_terms_of_flags(str(fault), args)}")
    for line in describe_reasons(counts.reasons):
        print(line)
