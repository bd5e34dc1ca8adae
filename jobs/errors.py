"""Which errors carry a text for the user, and the exit code of each."""

from __future__ import annotations

from jobs.config import ConfigError
from jobs.exit_codes import EXIT_CONFIG, EXIT_ERRORS
from jobs.problems.errors import ProblemFileError
from runstore.errors import NoRunError, NoSelectionsError, StoredRunError
from runstore.storage import StorageError, StorageUriError
from verifiers.plugins import PluginError
from verifiers.registry import UnknownNameError
from verifiers.types import SettingsError


class WorkerKilledError(Exception):
    """A worker process of this command was killed."""


MENDED_BY_USER = (
    ConfigError,
    ProblemFileError,
    SettingsError,
    PluginError,
    UnknownNameError,
    NoRunError,
    NoSelectionsError,
    StorageUriError,
)
"""Errors that mean that the command line, a config or a problem file is wrong: exit code 2."""
TOLD = (*MENDED_BY_USER, StorageError, StoredRunError, WorkerKilledError)
"""Errors that a command prints without a traceback. Those that the user cannot mend (a lost store, a broken run, a
killed process) have exit code 3."""


def exit_code_of(error: Exception) -> int:
    """The exit code of an error in `TOLD`."""
    return EXIT_CONFIG if isinstance(error, MENDED_BY_USER) else EXIT_ERRORS
