"""Where problem files lie: local paths, globs and folders, `s3://`, data sets of the hub, and what fsspec reaches.

Promises: files come in the order given, the matches of a pattern and the files of a folder sorted, folders searched in
depth. Whatever is not there, or is no problem file, comes out as one fault that names the entry. Folders that
`datasets` wrote with `save_to_disk` are read as what they are.
Does not: read rows (sources does). S3 credentials, region and endpoint come from the environment (runstore.storage);
what other stores need comes from fsspec's own settings.
"""

from __future__ import annotations

import dataclasses
import json
import urllib.parse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.fs

from jobs.problems.errors import BadRow, ProblemFileError, RowError
from jobs.problems.hub import Wanted, choose, hub_files
from jobs.problems.patterns import GLOB, fits
from jobs.problems.sources import COMPRESSIONS, FORMATS, KNOWN_FORMATS, SEEKING_FORMATS, Source, foreign_errors
from jobs.uris import WEB, shown, without_keys
from runstore.storage import s3_endpoint, s3_filesystem

EVERYTHING = Wanted()
PACKAGES = {"gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs", "http": "aiohttp"}
"""Packages that fsspec needs for a scheme."""
SCHEMES = "a local path, or s3://, hf://datasets/, https://, gs://, az:// or file://"
SET_FOLDER, SPLITS_FOLDER = "state.json", "dataset_dict.json"
"""Files that mark a folder of `save_to_disk`: of one data set, and of several splits."""
OF_A_SET = frozenset({SET_FOLDER, SPLITS_FOLDER, "dataset_info.json", "dataset_infos.json"})
"""Files beside a data set that describe it."""


def find_sources(files: Sequence[str], wanted: Wanted = EVERYTHING) -> list[Source]:
    """Expands the entries of `problems.files`. Raises ProblemFileError for what is not there or not a known format."""
    # By what is opened: addresses that differ in their query alone are shown alike, and are two files.
    found: dict[tuple[str, str], Source] = {}
    faults: list[RowError] = []
    for name in files:
        try:
            for source in expand(name, wanted):
                found.setdefault((source.system, source.path), source)
        except BadRow as fault:
            faults.append(fault.at(shown(name) or '""', 0))
    if faults:
        raise ProblemFileError(faults)
    apart = tell_apart(found.values())
    labels = short_labels([source.uri for source in apart])
    return [dataclasses.replace(source, label=label) for source, label in zip(apart, labels, strict=True)]


def tell_apart(found: Iterable[Source]) -> list[Source]:
    """The files with a number behind every URI that an earlier one has, since faults, counts and skipped rows name a
    file by its URI."""
    used: set[str] = set()
    apart: list[Source] = []
    for source in found:
        uri, number = source.uri, 1
        while uri in used:
            number += 1
            uri = f"{source.uri}#{number}"
        used.add(uri)
        apart.append(dataclasses.replace(source, uri=uri))
    return apart


def expand(name: str, wanted: Wanted = EVERYTHING) -> list[Source]:
    """The files that one entry of `problems.files` stands for. Raises BadRow where there is none."""
    scheme, mark, rest = name.partition("://")
    scheme = scheme if mark else ""
    if scheme not in ("s3", "hf") and not (rest if mark else name).strip():  # these two say what they lack
        # An empty path is the working directory to pathlib, and to fsspec too.
        raise BadRow("", "an empty path", 'give a file, a pattern or a folder; "." is the working directory')
    if scheme == "file":
        return expand_local(path_of_file_uri(name), wanted)
    if scheme == "s3":
        return expand_s3(name)
    if scheme == "hf":
        return from_hub(name, wanted)
    if scheme:
        return expand_foreign(name, scheme)
    if is_bare_id(name):
        try:
            return from_hub(name, wanted)
        except BadRow as fault:
            raise BadRow("", f"no such file here; as a data set of the hub: {fault.wrong}", fault.right) from fault
    return expand_local(name, wanted)


def path_of_file_uri(uri: str) -> str:
    """The local path of a `file://` URI. Raises BadRow for a host, which `file://set.jsonl` names by mistake, and for
    a query."""
    try:
        parts = urllib.parse.urlsplit(uri)
    except ValueError:
        raise BadRow("", "no address of a file", "give file:///path/to/file, or the path itself") from None
    if parts.netloc not in ("", "localhost"):
        host = parts.netloc.rpartition("@")[2]
        raise BadRow(
            "", f"names the host {host}", "a path from the root has three slashes, as in file:///data/set.jsonl"
        )
    if parts.query or parts.fragment:
        raise BadRow("", "a query or a fragment in the URI of a file", "write ? as %3F and # as %23")
    path = urllib.parse.unquote(parts.path)
    if not path:
        raise BadRow("", "no path in this URI", "give file:///path/to/file, or the path itself")
    return path


def format_of(name: str) -> tuple[str, str] | None:
    """(format, compression) of a file by its name; None: no known format."""
    path = PurePosixPath(name.lower())
    compression = COMPRESSIONS.get(path.suffix, "")
    format = FORMATS.get(path.with_suffix("").suffix if compression else path.suffix)
    return None if format is None or (compression and format in SEEKING_FORMATS) else (format, compression)


def is_known(name: str) -> bool:
    return format_of(name) is not None and PurePosixPath(name).name not in OF_A_SET


def make_source(uri: str, path: str, system: str, name: str, is_found: bool) -> Source:
    """Raises BadRow for a format that is not known."""
    known = format_of(name)
    if known is None:
        ending = "".join(PurePosixPath(name).suffixes[-2:])
        raise BadRow("", f"unknown file format {ending!r}", f"give {KNOWN_FORMATS}")
    return Source(uri, path, known[0], known[1], "", system, is_found)


# Local files.


def is_bare_id(name: str) -> bool:
    """Whether an entry can only be an id of the hub, such as `openai/gsm8k`: it has that form and nothing of the name
    is here."""
    parts = PurePosixPath(name).parts
    if format_of(name) is not None or not parts or Path(name).exists() or Path(parts[0]).exists():
        return False  # without the hub's library, which takes two megabytes of memory
    from jobs.model_path import is_hub_id

    return is_hub_id(name)


def expand_local(name: str, wanted: Wanted) -> list[Source]:
    path = Path(name).expanduser()
    if path.exists() and not path.is_dir():
        return [local_source(path, is_found=False)]
    if path.is_dir():
        return in_folder(path, wanted)
    if not GLOB.search(name):
        raise BadRow("", "no such file", "paths are relative to the working directory")
    # Path.glob takes no absolute pattern, so the root is split off.
    root, pattern = (Path(path.anchor), str(path.relative_to(path.anchor))) if path.is_absolute() else (Path(), name)
    is_found = matches_all_below(pattern)
    # For Path.glob a last `**` matches folders alone.
    names = sorted(str(match) for match in root.glob(f"{pattern}/*" if is_found else pattern) if match.is_file())
    found = of_problems(names, str(path)) if is_found else names
    if not found:
        raise BadRow("", "no file matches this pattern", "patterns are relative to the working directory")
    return [local_source(Path(match), is_found) for match in found]


def matches_all_below(pattern: str) -> bool:
    """Whether a pattern names whatever lies below a folder, as the folder's own name does."""
    return pattern.rpartition("/")[2] == "**"


def of_problems(names: Iterable[str], pattern: str) -> list[str]:
    """The files among those that a pattern found which a folder without a pattern would give: they are of known
    formats and not hidden."""
    start = len(GLOB.split(pattern, maxsplit=1)[0].rpartition("/")[0])
    return [name for name in names if is_known(name) and not is_hidden(name[start:])]


def local_source(path: Path, is_found: bool) -> Source:
    return make_source(str(path), str(path), "local", path.name, is_found)


def in_folder(folder: Path, wanted: Wanted) -> list[Source]:
    """The problem files of a folder, in depth; what is hidden, such as `.git`, is left out."""
    if (folder / SPLITS_FOLDER).is_file():
        splits = saved(folder / SPLITS_FOLDER, "splits", str)
        return in_folder(
            folder / choose("split", wanted.split, dict.fromkeys(splits), "", "name the folder of a split"), wanted
        )
    if (folder / SET_FOLDER).is_file():
        names = [str(item.get("filename")) for item in saved(folder / SET_FOLDER, "_data_files", dict)]
        if missing := [name for name in names if not (folder / name).is_file()]:
            raise BadRow("", f"{SET_FOLDER} names {missing[0]}, which is not there", "copy the whole folder again")
        return [local_source(folder / name, is_found=True) for name in names]
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and is_known(path.name)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise BadRow("", "no problem file in this folder", f"give {KNOWN_FORMATS}")
    return [local_source(path, is_found=True) for path in found]


def saved(path: Path, key: str, kind: type) -> list[Any]:
    """The list under `key` in a file of `save_to_disk`. Raises BadRow."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        items = value[key]
        if not isinstance(items, list) or not items or not all(isinstance(item, kind) for item in items):
            raise TypeError(key)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadRow("", f"{path.name} is not what `save_to_disk` writes", "save the data set again") from error
    return items


# Data sets of the hub.


def from_hub(name: str, wanted: Wanted) -> list[Source]:
    files = hub_files(name, wanted, is_known)
    is_found = len(files) > 1
    return [make_source(file.uri, file.local_path, "local", file.uri, is_found) for file in files]


# S3.


def expand_s3(uri: str) -> list[Source]:
    path = uri.removeprefix("s3://").rstrip("/")
    bucket, _, key = path.partition("/")
    if not bucket or GLOB.search(bucket):
        raise BadRow("", "no bucket in this URI", "give s3://bucket/path")
    filesystem, server = s3_filesystem(), s3_endpoint()
    is_found = False
    try:
        if not GLOB.search(key):
            info = filesystem.get_file_info(path)
            if info.type == pyarrow.fs.FileType.File:
                return [s3_source(path, is_found=False)]
            if info.type == pyarrow.fs.FileType.NotFound:
                raise BadRow("", "no such object", f"endpoint {server or 'of AWS'}; check the bucket and the key")
            is_found = True
            keys = list_s3(filesystem, path, recursive=True)
            found = sorted(key for key in keys if is_known(key) and not is_hidden(key[len(path) :]))
        else:
            # List from the last folder before the first wildcard; S3 itself knows no patterns.
            prefix = GLOB.split(path, maxsplit=1)[0].rpartition("/")[0]
            is_found = matches_all_below(path)
            keys = list_s3(filesystem, prefix, recursive=is_found or "/" in path[len(prefix) + 1 :])
            pattern = path.split("/")
            found = sorted(key for key in keys if fits(key.split("/"), pattern))
            found = of_problems(found, path) if is_found else found
    except OSError as error:
        raise BadRow("", f"S3 at {server or 'AWS'} says: {error}", "check AWS_ENDPOINT_URL, credentials and bucket")
    if not found:
        raise BadRow("", "no object matches", f"give {KNOWN_FORMATS}")
    return [s3_source(key, is_found) for key in found]


def s3_source(path: str, is_found: bool) -> Source:
    return make_source(f"s3://{path}", path, "s3", path, is_found)


def list_s3(filesystem: Any, prefix: str, recursive: bool) -> list[str]:
    selector = pyarrow.fs.FileSelector(prefix, recursive=recursive)
    return [info.path for info in filesystem.get_file_info(selector) if info.type == pyarrow.fs.FileType.File]


def is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/") if part)


# Every other scheme, through fsspec.


def expand_foreign(uri: str, scheme: str) -> list[Source]:
    import fsspec

    parts = urllib.parse.urlsplit(uri)
    is_web = scheme in WEB
    if "@" in parts.netloc:
        raise BadRow("", "credentials in a URI", "give them in fsspec's settings")
    try:
        filesystem, path = fsspec.core.url_to_fs(uri)
    except ValueError as error:
        raise BadRow("", f"unknown scheme {scheme}", f"give {SCHEMES}") from error
    except ImportError as error:
        right = f"pip install {PACKAGES.get(scheme, scheme)}"
        raise BadRow("", f"{scheme}:// needs a package that is not installed here: {error}", right) from error
    except Exception as error:
        raise BadRow(
            "", f"{scheme}:// cannot be opened: {without_keys(str(error))}", "check its credentials"
        ) from error
    if is_web:
        # A server lists no folder, and its patterns would be part of the name.
        return [make_source(shown(uri), uri, "fsspec", parts.path, is_found=False)]
    return foreign_files(filesystem, str(path), filesystem.unstrip_protocol)


def foreign_files(filesystem: Any, path: str, with_scheme: Callable[[str], str]) -> list[Source]:
    """The files that a path, pattern or folder of a file system of fsspec names. Raises BadRow."""
    is_found = False
    try:
        with foreign_errors():
            if GLOB.search(path):
                is_found = matches_all_below(path)
                listed = filesystem.glob(path, detail=True)
                found: Iterable[str] = [name for name, about in listed.items() if about["type"] != "directory"]
                found = of_problems(found, path) if is_found else found
            elif filesystem.isfile(path):
                found = [path]
            else:
                is_found = True
                names = filesystem.find(path) if filesystem.exists(path) else []
                found = [name for name in names if is_known(name) and not is_hidden(name[len(path) :])]
    except OSError as error:
        raise BadRow("", f"the store says: {error}", "check the address and its credentials") from error
    sources = [make_source(with_scheme(name), with_scheme(name), "fsspec", name, is_found) for name in sorted(found)]
    if not sources:
        raise BadRow("", "no object matches", f"give {KNOWN_FORMATS}")
    return sources


def short_labels(uris: Sequence[str]) -> list[str]:
    """For each file its name without suffixes, with as many parent folders in front as make it unique."""
    parts = [PurePosixPath(uri.partition("://")[2] or uri).parts for uri in uris]
    stems = [(*part[:-1], part[-1].split(".")[0] or part[-1]) for part in parts]
    depth = 1
    labels = [stem[-1] for stem in stems]
    while len(set(labels)) < len(labels) and depth < max(len(stem) for stem in stems):
        depth += 1
        labels = ["-".join(stem[-depth:]).replace("/", "") for stem in stems]
    if len(set(labels)) < len(labels):  # a.jsonl beside a.parquet
        labels = [f"{label}-{index}" for index, label in enumerate(labels)]
    return labels
