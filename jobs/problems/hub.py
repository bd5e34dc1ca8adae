"""Problem files in data sets of the Hugging Face hub: which files are meant, at which commit, and their local copies.

Promises: a data set is read at one commit for as long as the process lives, whatever its branch does meanwhile; the
commit stands in the URI of every file (`hf://datasets/ORG/NAME@COMMIT/PATH`), and so in run.json, which also has the
revision that was asked for (`data_sets`). Only the files that are read are downloaded, into the hub's cache. Without a
network the cache is used if it holds all of them.
Does not: run a data set's own loading script, or show a token.
Fails: with BadRow, which says whether the set is unknown, private, gated, or out of reach.
"""

from __future__ import annotations

import dataclasses
import glob
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from jobs.problems.errors import BadRow
from jobs.problems.patterns import GLOB, fits
from verifiers.reference_fields import excerpt

SCHEME = "hf://datasets/"
URI = re.compile(r"hf://datasets/(?P<id>[^/@]+/[^/@]+)(?:@(?P<revision>[^/]+))?(?:/(?P<path>.*))?")
COMMIT = re.compile(r"[0-9a-f]{40}")
CARD = "README.md"
BY_PATH = "name its files, as hf://datasets/ORG/NAME/PATH"
SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Words in file and folder names by which the hub tells the splits of a data set without a card."""

_commits: dict[tuple[str, str], str] = {}
"""(data set, revision) → the commit that this process reads it at."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of a data set: `problems.config`, `problems.split` and `problems.revision`. Empty: not said."""

    config: str = ""
    split: str = ""
    revision: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class HubFile:
    uri: str
    local_path: str


def commits() -> list[dict[str, str]]:
    """The data sets that this process has read by a branch, a tag or no revision at all, each with its commit."""
    return [
        {"id": identity, "revision": revision, "commit": commit}
        for (identity, revision), commit in sorted(_commits.items())
        if revision != commit
    ]


def pin(stored: Iterable[Mapping[str, str]]) -> None:
    """Reads data sets at the commits of an earlier start of a run, as `commits` gave them."""
    for entry in stored:
        _commits[entry["id"], entry["revision"]] = entry["commit"]


def pin_files(uris: Iterable[str], revision: str) -> None:
    """Reads data sets at the commits that these URIs name, for a run that stored nothing else of its commits."""
    for uri in uris:
        found = URI.fullmatch(uri)
        if found and found["revision"] and COMMIT.fullmatch(found["revision"]):
            _commits[found["id"], revision] = found["revision"]


def forget_commits() -> None:
    """Lets a moved branch be seen again."""
    _commits.clear()


def hub_files(name: str, wanted: Wanted, is_known: Any) -> list[HubFile]:
    """The files that an hf:// URI or a bare id (`openai/gsm8k`) means, downloaded. `is_known` tells problem files by
    their name. Raises BadRow."""
    found = URI.fullmatch(name if name.startswith("hf://") else SCHEME + name)
    if found is None:
        raise BadRow("", "no data set of the hub in this URI", "give hf://datasets/ORG/NAME/path, as in the hub's URLs")
    identity, path = found["id"], found["path"] or ""
    in_uri = (found["revision"] or "").replace("%2F", "/")
    if in_uri and wanted.revision and in_uri != wanted.revision:
        right = "give one of the two"
        raise BadRow("", f"names revision {in_uri}, but problems.revision is {wanted.revision}", right)
    revision = in_uri or wanted.revision
    commit, listed = list_files(identity, revision)
    names = [name for name in listed if is_known(name)]
    if not names:
        raise BadRow("", f"{identity} has no problem file among its {len(listed):,} files", what_it_has(listed))
    chosen = by_path(path, names) if path else by_split(card_of(identity, commit, listed), names, wanted)
    folder = Path(download(identity, commit, chosen))
    return [HubFile(f"{SCHEME}{identity}@{commit}/{name}", str(folder / name)) for name in chosen]


def list_files(identity: str, revision: str) -> tuple[str, list[str]]:
    """The commit of a data set and the names of all its files. Raises BadRow."""
    from huggingface_hub import get_cached_repo_tree

    known = _commits.get((identity, revision), revision)
    # Asked for by the two smallest files, since the library lists a data set only as a part of a download.
    folder = Path(download(identity, known, [CARD, ".gitattributes"]))
    commit = folder.name
    _commits[identity, revision] = commit
    try:
        files = get_cached_repo_tree(identity, repo_type="dataset", revision=commit)
    except Exception as error:
        wrong = f"the hub's cache does not list the files of {identity}"
        raise BadRow("", wrong, "read it once with a network") from error
    return commit, sorted(file.path for file in files)


def download(identity: str, revision: str, names: Sequence[str]) -> str:
    """The folder of the cache that holds these files of the data set. Raises BadRow."""
    from huggingface_hub import snapshot_download
    from huggingface_hub import utils as bars

    shown = not bars.are_progress_bars_disabled()  # type: ignore[attr-defined]
    bars.disable_progress_bars()  # type: ignore[attr-defined]
    try:
        return str(
            snapshot_download(
                identity,
                repo_type="dataset",
                revision=revision or None,
                allow_patterns=[glob.escape(name) for name in names],
                endpoint=os.environ.get("HF_ENDPOINT") or None,
            )
        )
    except Exception as error:  # the hub's library raises its own, those of its HTTP client, and OSError
        raise told(identity, revision, error) from error
    finally:
        if shown:
            bars.enable_progress_bars()  # type: ignore[attr-defined]


def told(identity: str, revision: str, error: Exception) -> BadRow:
    """What the hub's library raised, for the user."""
    from huggingface_hub import errors

    log_in = "log in with `hf auth login`, or set HF_TOKEN"
    if isinstance(error, errors.GatedRepoError):
        return BadRow("", f"{identity} is gated: its publisher wants to be asked", f"ask on its page, and {log_in}")
    if isinstance(error, errors.RevisionNotFoundError):
        return BadRow("", f"{identity} has no revision {excerpt(revision)}", "give a branch, a tag or a commit of it")
    if isinstance(error, errors.RepositoryNotFoundError):
        return BadRow(
            "", f"the hub has no data set {identity}, or it is private", f"check the name; if private, {log_in}"
        )
    if isinstance(error, errors.HFValidationError):
        return BadRow("", f"{excerpt(identity)} is no id of the hub", "ids are ORG/NAME")
    if isinstance(error, errors.LocalEntryNotFoundError):
        wrong = f"{identity} is not whole in the hub's cache on this machine, and the hub is out of reach"
        return BadRow("", wrong, "check the network and HF_ENDPOINT, or read it once where there is a network")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return BadRow("", f"the hub refuses {identity} to this token (HTTP {status})", log_in)
    if status is not None:
        return BadRow("", f"the hub answers HTTP {status} for {identity}", "try again later")
    first = str(error).partition("\n")[0]
    return BadRow(
        "", f"{identity} cannot be read: {type(error).__name__}: {excerpt(first)}", "check the network and the disk"
    )


def by_path(path: str, names: Sequence[str]) -> list[str]:
    """The files that a path, a folder or a pattern of the data set names. Raises BadRow."""
    if GLOB.search(path):
        chosen = [name for name in names if fits(name.split("/"), path.split("/"))]
    else:
        folder = path.rstrip("/") + "/"
        chosen = [name for name in names if name == path or name.startswith(folder)]
    if not chosen:
        raise BadRow("", f"no problem file of the data set fits {path}", what_it_has(names))
    return chosen


def by_split(card: Mapping[str, Any], names: Sequence[str], wanted: Wanted) -> list[str]:
    """The files of one configuration and split, by the data set's card or else by the names of its files. Raises
    BadRow where they are not known, or not said and more than one."""
    tables = by_card(card, names) or by_names(names)
    config = choose("config", wanted.config, tables, "default", BY_PATH)
    splits = tables[config]
    return splits[choose("split", wanted.split, splits, "", BY_PATH)]


def choose(key: str, wanted: str, known: Mapping[str, Any], default: str, instead: str) -> str:
    """The part of a data set that is meant. `instead` is how it is named where there is no config. Raises BadRow."""
    shown = ", ".join(sorted(known))
    if wanted:
        if wanted not in known:
            raise BadRow(
                "",
                f"there is no {key} {excerpt(wanted)}",
                f"{instead}, or in a config set problems.{key} to one of {shown}",
            )
        return wanted
    if len(known) == 1:
        return next(iter(known))
    if default in known:
        return default
    raise BadRow(
        "", f"the data set has several {key}s", f"{instead}, or in a config set problems.{key} to one of {shown}"
    )


def card_of(identity: str, commit: str, listed: Sequence[str]) -> Mapping[str, Any]:
    """The YAML head of the data set's card; empty where there is none that can be read."""
    if CARD not in listed:
        return {}
    text = (Path(download(identity, commit, [CARD])) / CARD).read_text(encoding="utf-8", errors="replace")
    if not text.startswith("---"):
        return {}
    try:
        head = yaml.safe_load(text.split("---", 2)[1])
    except yaml.YAMLError:
        return {}
    return head if isinstance(head, dict) else {}


def by_card(card: Mapping[str, Any], names: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Configuration → split → files, as the card's `configs` say it."""
    tables: dict[str, dict[str, list[str]]] = {}
    configs = card.get("configs")
    for config in configs if isinstance(configs, list) else []:
        if not isinstance(config, dict):
            continue
        splits: dict[str, list[str]] = {}
        folder = str(config.get("data_dir") or "").strip("/")
        for split, patterns in data_files(config.get("data_files")).items():
            whole = [f"{folder}/{pattern}" if folder else pattern for pattern in patterns]
            if found := [name for name in names if any(fits(name.split("/"), wanted.split("/")) for wanted in whole)]:
                splits[split] = found
        if splits:
            tables[str(config.get("config_name") or "default")] = splits
    return tables


def data_files(value: Any) -> dict[str, list[str]]:
    """Split → patterns, of the three ways in which a card writes `data_files`."""
    if isinstance(value, str):
        return {"train": [value]}
    if not isinstance(value, list):
        return {}
    splits: dict[str, list[str]] = {}
    for item in value:
        if isinstance(item, str):
            splits.setdefault("train", []).append(item)
        elif isinstance(item, dict) and "path" in item:
            paths = item["path"] if isinstance(item["path"], list) else [item["path"]]
            splits.setdefault(str(item.get("split") or "train"), []).extend(str(path) for path in paths)
    return splits


def by_names(names: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Configuration → split → files of a data set without such a card. A first folder that is no split and not `data`
    is a configuration, as in `main/test-00000-of-00001.parquet`; a name without a split's word is of the split train.
    """
    tables: dict[str, dict[str, list[str]]] = {}
    for name in names:
        first, slash, _ = name.partition("/")
        is_config = bool(slash) and first != "data" and not split_of(first)
        splits = tables.setdefault(first if is_config else "default", {})
        inner = name[len(first) :] if is_config else name
        splits.setdefault(split_of(inner) or "train", []).append(name)
    return tables


def split_of(name: str) -> str:
    """The split that a path's words name, the last word first; empty: none does."""
    stem = PurePosixPath(name).name.split(".")[0]
    parts = [*PurePosixPath(name).parts[:-1], stem]
    for part in reversed(parts):
        for word in reversed(re.split(r"[^a-z]+", part.lower())):
            for split, words in SPLITS.items():
                if word in words:
                    return split
    return ""


def what_it_has(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return f"it has {shown}{f' and {len(names) - 8:,} more' if len(names) > 8 else ''}" if names else "it has no files"
