"""The optional extra `dojo`: imports lean-dojo in one place, or says how to get it.

Limits first. lean-dojo runs a repository's own build (`lake build`) and its tactics as the user, without any sandbox:
give it repositories and tactics that you would run yourself. Importing it reads a `.env` file of the working directory
and settles its cache (`CACHE_DIR`, `DISABLE_REMOTE_CACHE`, its own environment variables).
"""

from __future__ import annotations

import importlib
from typing import Any

from jobs.config import ConfigError

INSTALL = 'pip install "lean-dojo==4.20.0"'


def import_lean_dojo() -> Any:
    """The module `lean_dojo`. Raises ConfigError where the extra is not installed or does not start."""
    try:
        return importlib.import_module("lean_dojo")
    except ImportError as error:
        raise ConfigError(f"this needs the optional extra `dojo` ({error}): {INSTALL}")
    except (AssertionError, OSError) as error:  # its import looks for git and makes its cache folder
        raise ConfigError(f"lean-dojo does not start: {error}")
    except Exception as error:
        raise ConfigError(f"lean-dojo does not start: {type(error).__name__}: {error}")
