"""What a submitted job takes along: one zip with Proofmill's code, the config and the local files that it names.

Promises: nothing else goes. Files are picked by an allow list (our packages, plugins that no package manager installed,
the config, the problem files and the local model folder named in it, and what the user adds), so a stray credentials
file in the working folder cannot travel; names that look like secrets are refused even when listed. The zip is the same
for the same content, so the cluster stores it once. Symbolic links are followed only inside the folder they lie in.
Does not: read what it packs, or reach anything remote: `s3://` files and absolute paths are for the cluster to open.
Fails: with ConfigError naming the file, before anything is uploaded.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import io
import sysconfig
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from jobs.config import ConfigError, SolveConfig
from jobs.model_path import is_hub_id
from jobs.pools.checks import is_remote
from jobs.problems.examples import variant_key
from jobs.problems.places import is_bare_id
from runstore.code_revision import PACKAGES
from verifiers import plugins
from verifiers.plugins import Plugin

CODE_ROOT = Path(__file__).resolve().parents[2]

EXCLUDES = ("__pycache__", "*.pyc", "*.pyo", ".git", ".venv", "*.egg-info", ".*_cache", "*.log", "core")
"""Patterns of files that are never useful on the cluster. They are matched against every part of a path."""

SECRETS = (
    ".env",
    ".env.*",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "id_rsa*",
    "id_ed25519*",
    "credentials",
    ".netrc",
    ".aws",
    ".ssh",
    "auth_token",
)
"""Patterns of names that look like secrets. Such a file is refused and not skipped, so that the user learns that
secrets are handed over by name (`--env NAME`)."""

MAX_PACKAGE_MB = 200
"""Largest package, in MB. Ray keeps it in the memory of the head node, and refuses more than its largest gRPC message
(500 MB)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One file of the package: where it comes from and its path inside."""

    source: Path
    path: str
    size: int


@dataclasses.dataclass(frozen=True, slots=True)
class Package:
    entries: tuple[Entry, ...]
    config_path: str
    """Path of the config inside the package."""
    notes: tuple[str, ...]
    """What the cluster has to find by itself, as texts for the user."""

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries)


def plan_package(
    config_file: Path,
    config: SolveConfig,
    *,
    folder: Path,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    max_mb: float = MAX_PACKAGE_MB,
) -> Package:
    """Lists what goes. Relative paths start at `folder` (the working folder) and keep their place in the package.

    Raises ConfigError for a file that does not exist, lies outside `folder`, looks like a secret, or is too much.
    """
    folder = folder.resolve()
    excludes = (*EXCLUDES, *exclude)
    notes: list[str] = []
    found: dict[str, Entry] = {}

    def add(source: Path, path: str) -> None:
        found.setdefault(path, Entry(source, path, source.stat().st_size))

    _add_code(add, notes, excludes)
    config_file = config_file.resolve()
    inside = config_file.is_relative_to(folder)
    config_path = config_file.relative_to(folder).as_posix() if inside else f"submitted/{config_file.name}"
    add(config_file, config_path)

    wanted = [(f"{key}: {name}", name, not is_bare_id(name)) for key, name in config.problems.all_files()]
    wanted += named_by_pools(config)
    wanted += [(f"--include {name}", name, True) for name in include]
    for where, name, required in wanted:
        for file in _named_files(where, name, required, folder, excludes, notes):
            path = file.relative_to(folder).as_posix()
            if not matching(path, exclude):
                add(file, path)
    entries = tuple(sorted(found.values(), key=lambda entry: entry.path))
    for entry in entries:
        if secret := matching(entry.path, SECRETS):
            raise ConfigError(
                f"{entry.path} looks like a secret ({secret}) and will not be packaged; pass secrets with --env NAME"
            )
    return _within(Package(entries, config_path, tuple(notes)), max_mb)


def named_by_pools(config: SolveConfig) -> Iterator[tuple[str, str, bool]]:
    """What the models of a run need beside the problems: key, path, and whether it must be a file or folder here. A
    model's path may be a hub id, and the model of an endpoint is not here."""
    for pool in config.pools().values():
        if pool.prompt.examples:
            yield pool.key("prompt.examples"), pool.prompt.examples, True
        for variant in pool.sampling.variants:
            if variant.examples:
                yield variant_key(variant.name), variant.examples, True
        if is_remote(pool.model):
            continue
        yield pool.key("model.path"), pool.model.path, False
        if pool.model.lora:
            yield pool.key("model.lora"), pool.model.lora, True


def _add_code(add: Callable[[Path, str], None], notes: list[str], excludes: Sequence[str]) -> None:
    """Our own packages, and the plugins that are files of the working folder."""
    for name in PACKAGES:
        for file in files_under(CODE_ROOT / name, excludes):
            add(file, file.relative_to(CODE_ROOT).as_posix())
    for plugin in plugins.loaded().values():
        if is_local(plugin):
            for file in plugin.files:
                add(file, file.relative_to(plugin.root).as_posix())
        else:
            notes.append(f"plugins: {plugin.name} is an installed package; it must be installed on the cluster too")


def _named_files(
    where: str, name: str, required: bool, folder: Path, excludes: Sequence[str], notes: list[str]
) -> Iterator[Path]:
    """The files that one path, glob or folder names. Adds what stays behind to `notes`. Raises ConfigError."""
    if "://" in name:
        return
    if not name.strip():
        raise ConfigError(f'{where}: an empty path; give a file, a pattern or a folder, such as "."')
    if Path(name).is_absolute():
        notes.append(f"{where}: {name} is absolute; it must exist on the cluster")
        return
    matches = sorted(folder.glob(name))
    if not matches:
        if required:
            raise ConfigError(f"{where}: nothing matches {name} in {folder}")
        if not is_hub_id(name):
            raise ConfigError(f"{where}: no such folder in {folder}: {name}, and it is no hub id (org/name)")
        notes.append(f"{where}: {name} is no local folder; the cluster reads it from the hub")
    for match in matches:
        for file in files_under(match, excludes):
            if not file.resolve().is_relative_to(folder):
                raise ConfigError(
                    f"{where}: {file} lies outside {folder}; give an absolute path that exists on the cluster"
                )
            yield file


def _within(package: Package, max_mb: float) -> Package:
    """The package itself. Raises ConfigError where it is too much."""
    if package.size > max_mb * 1e6:
        largest = sorted(package.entries, key=lambda entry: -entry.size)[:3]
        names = ", ".join(f"{entry.path} ({entry.size / 1e6:.1f} MB)" for entry in largest)
        raise ConfigError(
            f"the package would hold {package.size / 1e6:.1f} MB, more than {max_mb:g} MB; largest: {names}. "
            "Put large files on s3:// or a shared file system, leave them out with --exclude, or raise --max-package-mb"
        )
    return package


def is_local(plugin: Plugin) -> bool:
    """Whether a plugin lies outside the folders that packages are installed into."""
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")}
    return not any(plugin.root.is_relative_to(folder) for folder in installed)


def files_under(path: Path, excludes: Iterable[str]) -> Iterator[Path]:
    """Files of a folder in name order, or the one file itself. Links that leave the folder are skipped."""
    excludes = tuple(excludes)
    if path.is_file():
        yield path
        return
    top = path.resolve()
    for file in sorted(path.rglob("*")):
        relative = file.relative_to(path).as_posix()
        if matching(relative, excludes) or not file.is_file() or not file.resolve().is_relative_to(top):
            continue
        yield file


def matching(path: str, patterns: Iterable[str]) -> str | None:
    """The first pattern that fits the whole path or any one part of it."""
    parts = (path, *PurePosixPath(path).parts)
    for pattern in patterns:
        if any(fnmatch.fnmatchcase(part, pattern) for part in parts):
            return pattern
    return None


def zip_package(package: Package) -> bytes:
    """The zip; the same bytes for the same content, whatever the files' times and owners are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for entry in package.entries:
            info = zipfile.ZipInfo(entry.path, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, entry.source.read_bytes())
    return buffer.getvalue()
