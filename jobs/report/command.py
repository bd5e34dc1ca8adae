"""`proofmill report`: the page of a stored run, two runs side by side, or the story of one sample.

Exit codes: 0 done, 2 no such run, 3 a broken run or a lost store.
"""

from __future__ import annotations

import argparse
import sys

from jobs.config import ConfigError
from jobs.errors import TOLD, exit_code_of
from jobs.exit_codes import EXIT_DONE
from jobs.stored_plugins import missing_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("folder", nargs="?", metavar="RUN", help="a run's folder: writes its report.html anew")
    which.add_argument("--run", metavar="URI", dest="run_uri", help="the same")
    which.add_argument("--compare", nargs=2, metavar=("RUN_A", "RUN_B"), help="two runs: writes compare.html")
    parser.add_argument(
        "--story",
        metavar="PROBLEM:INDEX",
        help="print what is known of one sample: its last changes of state, its row, its lines in the logs",
    )
    parser.add_argument(
        "--select", action="store_true", help="choose an answer for every problem first: writes selections.parquet"
    )
    parser.add_argument("--out", metavar="URI", default="", help="folder for compare.html (default: that of RUN_B)")


def run(args: argparse.Namespace) -> int:
    """The command."""
    from jobs.report.compare import compare_runs
    from jobs.report.page import write_report
    from jobs.report.statistics import require_samples
    from jobs.report.story import story_of_sample
    from jobs.selections.select import select_run
    from runstore.storage import open_storage

    try:
        for uri in args.compare or [args.run_uri or args.folder]:
            if fault := missing_plugins(uri):
                note(fault)
        if args.select and (args.compare or args.story is not None):
            raise ConfigError("--select chooses answers of one run; give it with RUN alone")
        if args.story is not None:
            if args.compare:
                raise ConfigError("--story is of one run; give it with --run URI instead of --compare")
            print(story_of_sample(args.run_uri or args.folder, args.story, say=note))
        elif args.compare:
            first, second = args.compare
            print(compare_runs(first, second, args.out))
        else:
            if args.select:
                storage = open_storage(args.run_uri or args.folder)
                require_samples(storage)
                print(f"selections: {select_run(storage).told()}")
            print(write_report(args.run_uri or args.folder)[0])
    except TOLD as error:
        print(f"proofmill: {error}", file=sys.stderr)
        return exit_code_of(error)
    return EXIT_DONE


def note(text: str) -> None:
    print(f"proofmill: note: {text}", file=sys.stderr)
