"""The exit codes of every command."""

from __future__ import annotations

EXIT_DONE = 0
EXIT_CONFIG = 2
"""Something that the user can mend: the command line, a config, or a row of a problem file."""
EXIT_ERRORS = 3
"""Finished with errors, or could not go on: a lost store, a broken run, a dead process."""
EXIT_INTERRUPTED = 130
"""Stopped by the user or the machine; the same command resumes or starts afresh."""
