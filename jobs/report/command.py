"""`proofmill report`: the page of a stored run, or two runs side by side.

Exit codes: 0 done, 2 no such run, 3 a broken run or a lost store.
"""

from __future__ import annotations

import argparse
import sys

from jobs.errors import TOLD, exit_code_of
from jobs.exit_codes import EXIT_DONE
from jobs.stored_plugins import missing_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("folder", nargs="?", metavar="RUN", help="a run's folder: writes its report.html anew")
    which.add_argument("--run", metavar="URI", dest="run_uri", help="the same")
    which.add_argument("--compare", nargs=2, metavar=("RUN_A", "RUN_B"), help="two runs: writes compare.html")
    parser.add_argument("--out", metavar="URI", default="", help="folder for compare.html (default: that of RUN_B)")


def run(args: argparse.Namespace) -> int:
    """The command."""
    from jobs.report.compare import compare_runs
    from jobs.report.page import write_report

    try:
        for uri in args.compare or [args.run_uri or args.folder]:
            if fault := missing_plugins(uri):
                print(f"proofmill: note: {fault}", file=sys.stderr)
        if args.compare:
            first, second = args.compare
            print(compare_runs(first, second, args.out))
        else:
            print(write_report(args.run_uri or args.folder)[0])
    except TOLD as error:
        print(f"proofmill: {error}", file=sys.stderr)
        return exit_code_of(error)
    return EXIT_DONE
