"""`proofmill problems from-repo`: a Lean repository's theorems as a problem set, by lean-dojo (an optional extra).

Promises: `--out` appears whole, in the canonical layout, one problem per theorem in the order of files and lines.
Exit codes: 0 done, 2 bad input, no such repository, no lean-dojo or no Lean to trace with.
"""

from __future__ import annotations

import argparse
import json
import sys

from jobs.config import ConfigError
from jobs.exit_codes import EXIT_CONFIG, EXIT_DONE
from jobs.files import open_out
from jobs.lean.dojo.repository import Skipped, read_problems, trace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("repository", metavar="URL_OR_PATH", help="a git URL or the path of a local clone")
    parser.add_argument("commit", metavar="COMMIT", help="commit, tag or branch")
    parser.add_argument("--out", metavar="P.jsonl", required=True, help="the problem set")
    parser.add_argument(
        "--with-dependencies",
        action="store_true",
        help="trace the dependencies too (hours for Mathlib; premises then know their files)",
    )


def run(args: argparse.Namespace) -> int:
    """The command."""
    try:
        traced = _trace(args)
        skipped = Skipped()
        num_problems = 0
        with open_out(args.out) as out:
            for problem in read_problems(traced, skipped):
                out.write(json.dumps(problem.to_json(), ensure_ascii=False) + "\n")
                num_problems += 1
    except ConfigError as error:
        print(f"proofmill problems: {error}", file=sys.stderr)
        return EXIT_CONFIG
    print(f"{num_problems:,} problems from {args.repository} at {args.commit}", file=sys.stderr)
    for reason, count in skipped.counts.most_common():
        print(f"  left out {count:,}: {reason}", file=sys.stderr)
    return EXIT_DONE


def _trace(args: argparse.Namespace) -> object:
    """Raises ConfigError for all that can go wrong on the way: git, GitHub, lake, a folder that is no repository."""
    try:
        return trace(args.repository, args.commit, args.with_dependencies)
    except ConfigError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}"[:1000]
        raise ConfigError(
            f"{args.repository} at {args.commit} could not be traced: {what}\n"
            "Tracing needs git, and elan with lake to build the repository, unless lean-dojo has it in its cache."
        )
