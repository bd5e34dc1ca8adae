"""The process of one batch run by API: `python -m jobs.service.run_process OUTPUT_URI RUN_ID`.

Promises: runs what `request/request.json` of the run holds, as `proofmill solve` does, and stores how it ended beside
it (`request/outcome.json`: exit code, and the error's text for the client; `request/log.txt`: the end of its output),
so that a later keeper of the runs can report it.
Fails: if it is killed, or interrupted before it has read its config, it leaves no outcome. The run then has the state
`stopped`, and the same request resumes it.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import time
from pathlib import Path

from jobs.service.processes import read_tail
from jobs.service.runs import run_storage
from runstore.layout import REQUEST, REQUEST_LOG, REQUEST_OUTCOME

MAX_ERROR_CHARS = 2000
MAX_LOG_BYTES = 1 << 20
"""Size of the end of the log that is stored beside a run."""
log = logging.getLogger("proofmill.service")


class Tee(io.TextIOBase):
    """Standard error that also keeps the lines meant for the user."""

    def __init__(self) -> None:
        self.kept = ""

    def write(self, text: str) -> int:
        self.kept = (self.kept + text)[-4 * MAX_ERROR_CHARS :]
        return sys.__stderr__.write(text) if sys.__stderr__ else len(text)

    def flush(self) -> None:
        if sys.__stderr__:
            sys.__stderr__.flush()

    def told(self) -> str:
        lines = [line.removeprefix("proofmill: ") for line in self.kept.splitlines() if line.startswith("proofmill: ")]
        return "\n".join(lines)


def main(output_uri: str, run_id: str) -> int:
    from cluster.connect import ClusterError
    from jobs.config import check_config
    from jobs.errors import TOLD, exit_code_of
    from jobs.exit_codes import EXIT_ERRORS, EXIT_INTERRUPTED
    from jobs.solve.command import solve

    storage = run_storage(output_uri, run_id)
    tee = Tee()
    error = ""
    try:
        with contextlib.redirect_stderr(tee):
            code = solve(check_config(json.loads(storage.read(REQUEST) or b"{}")["config"], "config"))
    except ClusterError as fault:
        code, error = EXIT_ERRORS, str(fault)
    except TOLD as fault:
        code, error = exit_code_of(fault), str(fault)
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except Exception:
        log.exception("run %s", run_id)
        code, error = EXIT_ERRORS, "an unexpected fault; the service's log of this run tells it"
    if error:
        print(f"proofmill: {error}", file=sys.stderr)
    if tail := own_log():
        storage.replace(REQUEST_LOG, tail)
    outcome = {"exit_code": code, "error": (error or tee.told())[:MAX_ERROR_CHARS], "ended_at": int(time.time())}
    storage.replace(REQUEST_OUTCOME, json.dumps(outcome).encode())
    return code


def own_log() -> bytes:
    """The end of what this process has written, where it writes to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    path = Path("/proc/self/fd/1")
    return read_tail(path.resolve(), MAX_LOG_BYTES) if path.resolve().is_file() else b""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
