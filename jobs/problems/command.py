"""`proofmill problems`: makes and looks at problem sets; each sub-command is a row of `ACTIONS`.

Exit codes: those of the sub-command.
"""

from __future__ import annotations

import argparse
import importlib
from typing import NamedTuple


class Action(NamedTuple):
    """`module` has `add_arguments(parser)` and `run(args) -> int`; it is imported when the action is called."""

    module: str
    help: str


ACTIONS = {
    "show": Action("jobs.show_problems", "how a problem file is read: layout, first rows, counts, equal prompts"),
    "from-repo": Action("jobs.lean.dojo.command", "theorems of a Lean 4 git repository"),
    "suspects": Action("jobs.selections.command", "references of a stored run that may be wrong"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, action in ACTIONS.items():
        sub = actions.add_parser(name, help=action.help, description=action.help[0].upper() + action.help[1:] + ".")
        importlib.import_module(action.module).add_arguments(sub)


def run(args: argparse.Namespace) -> int:
    """The command."""
    return int(importlib.import_module(ACTIONS[args.action].module).run(args))
