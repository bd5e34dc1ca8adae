"""`proofmill problems suspects`: references of a stored run that may be wrong, for people to look at.

Exit codes: 0 done, 2 no such run or no selections, 3 a broken run or a lost store.
"""

from __future__ import annotations

import argparse
import json
import sys

from jobs.errors import TOLD, exit_code_of
from jobs.exit_codes import EXIT_DONE
from jobs.terminal_texts import printable

TEXT_CHARS = 1500
"""Longest part of a text that is printed: its end, where the answer is."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run's folder with selections.parquet")
    parser.add_argument("--jsonl", action="store_true", help="one JSON object per line, with whole texts")


def run(args: argparse.Namespace) -> int:
    """The command."""
    from jobs.selections.suspects import read_suspects
    from runstore.storage import open_storage

    count = 0
    try:
        for suspect in read_suspects(open_storage(args.run)):
            count += 1
            if args.jsonl:
                print(json.dumps(suspect.to_json(), ensure_ascii=False))
                continue
            about = f"{suspect.problem_id} ({suspect.kind}{', ' + suspect.domain if suspect.domain else ''})"
            print(printable(about))
            print(f"  reference: {printable(suspect.reference)}")
            print(
                f"  agreed:    {printable(suspect.agreed)} ({suspect.votes} of {suspect.samples} samples of "
                f"{suspect.sources} models and temperatures; right with probability {suspect.probability:.3f}, "
                f"95 % interval {suspect.probability_low:.3f} to {suspect.probability_high:.3f})"
            )
            print("  problem:   " + printable(suspect.prompt, keep="\n").replace("\n", "\n             "))
            for text in suspect.texts:
                print(f"  sample {text.sample_index} of {printable(text.source)}:")
                shown = text.text if len(text.text) <= TEXT_CHARS else "… " + text.text[-TEXT_CHARS:]
                print("    " + printable(shown, keep="\n").replace("\n", "\n    "))
            print()
    except TOLD as error:
        print(f"proofmill: {error}", file=sys.stderr)
        return exit_code_of(error)
    print(f"{count:,} suspect references; no verdict was changed", file=sys.stderr)
    return EXIT_DONE
