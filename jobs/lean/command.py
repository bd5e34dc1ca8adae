"""`proofmill lean setup`: makes the embedded Lean ready (a no-op when it is). Exit code 0 or 2."""

from __future__ import annotations

import argparse
import sys

from jobs.exit_codes import EXIT_CONFIG, EXIT_DONE
from verifiers.lean.embedded.install import SetupError, prepare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["setup"], help="download, check and prepare the embedded Lean")


def run(_arguments: argparse.Namespace | None = None) -> int:
    try:
        prepare(progress=lambda line: print(line, file=sys.stderr))
    except SetupError as error:
        print(f"proofmill lean setup: {error}", file=sys.stderr)
        return EXIT_CONFIG
    return EXIT_DONE
