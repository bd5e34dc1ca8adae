"""`proofmill attempt COMMAND …`: a command under a scheduler that tries again whatever ends with another code than 0.

    proofmill attempt nightly /etc/proofmill/nightly.toml

Exit code 2 (a config that cannot be used) and 3 (a regression, or a run that ended with errors) would come again from
every further attempt, each on a cluster of its own. They become 0, with a line that names the code. What else a command
ends with (130 interrupted, 1, a signal) stays, because a further attempt resumes the run. The receivers of `notify`
and the report have the outcome itself.
"""

from __future__ import annotations

import argparse
import sys

from jobs.exit_codes import EXIT_CONFIG, EXIT_DONE, EXIT_ERRORS

FINAL = {
    EXIT_CONFIG: "the command line, a config or a problem file has to be mended",
    EXIT_ERRORS: "it found a regression, or ended with errors; the report and the log say which",
}
"""Exit codes that another attempt would repeat, and what they mean."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", metavar="COMMAND", nargs=argparse.REMAINDER, help="solve, nightly, … with its options")


def run(args: argparse.Namespace) -> int:
    from jobs.cli import main

    try:
        code = main(args.words or ["--help"])
    except SystemExit as end:  # argparse's own, for a command line that it cannot read
        code = end.code if isinstance(end.code, int) else EXIT_CONFIG
    if code in FINAL:
        print(f"proofmill attempt: exit code {code}: {FINAL[code]}; not tried again", file=sys.stderr, flush=True)
        return EXIT_DONE
    return code
