"""The entry point of a submitted job: takes what was handed over with it, then is `proofmill`.

    python -m jobs.submit.start solve CONFIG …

It replaces no process, so that the values are in this process's memory only, and the signal that stops the job reaches
the run.
"""

from __future__ import annotations

import sys

from cluster.handover import HandoverError, adopt
from jobs.exit_codes import EXIT_ERRORS, EXIT_INTERRUPTED


def start(words: list[str]) -> int:
    try:
        variables = adopt()
    except HandoverError as error:
        print(f"proofmill: {error}", file=sys.stderr)
        return EXIT_ERRORS
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    from jobs.cli import main, misplaced_package

    if not misplaced_package():  # else `verifiers` may be another distribution's, which `main` reports
        from verifiers.processes.environment import withhold

        withhold(variables)
    return main(words)


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:]))
