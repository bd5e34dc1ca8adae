"""Plugins: modules outside this tree that add rows to the tables of kinds, policies, engines, rollouts and formats.

    plugins = ["my_package.proofmill"]          at the top of a config; or --plugin, or the variable PROOFMILL_PLUGINS
    [project.entry-points.proofmill]            in the pyproject.toml of an installed package
    mine = "my_package.proofmill"

    def register(tables):                       in that module
        tables.kinds.add("mine", KindRow(...))

Promises: `register` has run before this process reads its first row of any table, whichever process it is: what a
config names goes into the variable PROOFMILL_PLUGINS, which child processes inherit and cluster.connect hands to the
actors. It runs once per process. A plugin is code that the operator names: nothing that is read from a stored run or
a request is ever imported.
Fails: PluginError, whose text names the plugin and is for the user.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

VARIABLE = "PROOFMILL_PLUGINS"
"""Environment variable with module names, separated by commas."""
GROUP = "proofmill"
"""Entry-point group of installed plugins."""
TABLES = {
    "kinds": "verifiers.kinds:KINDS",
    "policies": "workers.sampling.registry:POLICIES",
    "engines": "workers.engines.registry:ENGINES",
    "rollouts": "workers.rollouts.registry:ROLLOUTS",
    "export_formats": "jobs.export.formats_table:FORMATS",
}


class PluginError(ValueError):
    """A plugin that cannot be loaded; the text is for the user."""


class Tables:
    """What `register` is given: each table is an attribute, a verifiers.registry.Registry, imported when it is used."""

    def __getattr__(self, name: str) -> Any:
        if name not in TABLES:
            raise AttributeError(f"there is no table {name!r}; known: {', '.join(TABLES)}")
        module, _, table = TABLES[name].partition(":")
        return getattr(importlib.import_module(module), table)


@dataclasses.dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that is loaded. `files` are the Python files of its package, or the one file that it is."""

    name: str
    root: Path
    """The folder that its name is imported from."""
    files: tuple[Path, ...]
    sha256: str


_lock = threading.RLock()
_loaded: dict[str, Plugin] = {}
_ready: str | None = None
"""The variable's value whose plugins are loaded."""
_loading = False


def use(names: Iterable[str]) -> None:
    """Loads these plugins too, here and in every process that this one starts. Raises PluginError."""
    known = named()
    if further := [name for name in dict.fromkeys(names) if name not in known]:
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = ",".join([*known, *further])
        try:
            load_plugins()
        except PluginError:
            if before is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = before
            raise
    load_plugins()


def named() -> list[str]:
    """The names in the variable."""
    return [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]


def loaded() -> dict[str, Plugin]:
    """Every plugin of this process by name, those of entry points included."""
    load_plugins()
    return dict(_loaded)


def load_plugins() -> None:
    """Called by every table before it is read; costs nothing once all are loaded. Raises PluginError."""
    global _ready, _loading
    wanted = os.environ.get(VARIABLE, "")
    if wanted == _ready:
        return
    with _lock:
        if _loading or wanted == _ready:  # a plugin that is being registered may read the tables
            return
        _loading = True
        try:
            for name in dict.fromkeys([*_installed(), *named()]):
                if name not in _loaded:
                    _loaded[name] = _load(name)
            _ready = wanted
        finally:
            _loading = False


@functools.cache
def _installed() -> tuple[str, ...]:
    """Module names of the entry points, in an order that every node has."""
    return tuple(sorted({entry.value for entry in importlib.metadata.entry_points(group=GROUP)}))


def _load(name: str) -> Plugin:
    if not all(part.isidentifier() for part in name.split(".")):
        raise PluginError(f"plugin {name!r}: not the name of a module, for instance my_package.proofmill")
    _look_in_working_folder(name)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise PluginError(
                f"plugin {name!r}: there is no module {error.name} on the path of {sys.executable}; install it, or put "
                "it into the working folder or on PYTHONPATH"
            ) from None
        raise PluginError(f"plugin {name!r} could not be imported: {error}") from error
    except Exception as error:
        raise PluginError(f"plugin {name!r} could not be imported: {type(error).__name__}: {error}") from error
    register = getattr(module, "register", None)
    if not callable(register):
        raise PluginError(f"plugin {name!r} has no function register(tables)")
    try:
        register(Tables())
    except Exception as error:
        raise PluginError(f"plugin {name!r}: register failed: {type(error).__name__}: {error}") from error
    return _describe(name, module)


def _look_in_working_folder(name: str) -> None:
    """A plugin beside the config needs no installation; processes that this one starts find it as well."""
    top, here = name.partition(".")[0], Path.cwd()
    if importlib.util.find_spec(top) is not None or not ((here / top).is_dir() or (here / f"{top}.py").is_file()):
        return
    sys.path.append(str(here))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(here)]))
    importlib.invalidate_caches()


def _describe(name: str, module: Any) -> Plugin:
    top: Any = sys.modules[name.partition(".")[0]]
    # A folder without __init__.py may be shared by several distributions: then only the plugin's own part is its.
    owner: Any = top if getattr(top, "__file__", None) else module
    if not getattr(owner, "__file__", None):
        raise PluginError(f"plugin {name!r}: a module without a file cannot be told apart from a changed one")
    file = Path(owner.__file__).resolve()
    depth = owner.__name__.count(".") + (1 if file.name == "__init__.py" else 0)
    root = file.parents[depth]
    files = tuple(sorted(file.parent.rglob("*.py"))) if file.name == "__init__.py" else (file,)
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return Plugin(name, root, files, digest.hexdigest())
