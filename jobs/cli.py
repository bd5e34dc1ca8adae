"""The `proofmill` command."""

from __future__ import annotations

import sys


def main() -> int:
    print("proofmill: no command is built yet", file=sys.stderr)
    return 2
