"""`proofmill completion`: a shell's completion script, which the library shtab makes from the commands' parsers."""

from __future__ import annotations

import argparse

import shtab

from jobs.exit_codes import EXIT_DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS, help="the shell that completes")


def run(args: argparse.Namespace) -> int:
    """Prints the script."""
    from jobs.cli import COMMANDS, make_parser  # the table names this module

    print(shtab.complete(make_parser(COMMANDS), args.shell))
    return EXIT_DONE
