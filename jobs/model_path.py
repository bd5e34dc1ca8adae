"""What a model's path means: a local folder, or an id of the Hugging Face hub.

Promises: the hub is not asked for a path that cannot be one of its ids; for others it is asked once, with a time limit.
An error names the folder that was looked for, with the working directory.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from jobs.config import ConfigError
from verifiers.types import Json

HUB_TIMEOUT_S = 5.0
LOCAL_FOLDERS = frozenset({"models", "out", "checkpoints"})
"""First parts of a path that mark it as a folder. For such a path only the hub's cache on this machine is read."""


def is_hub_id(path: str) -> bool:
    """Whether `path` has the form of a hub id, `org/name`."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    if path.count("/") != 1:
        return False
    try:
        validate_repo_id(path)
    except HFValidationError:
        return False
    return True


def check_model_path(path: str, key: str = "model.path") -> None:
    """Raises ConfigError where `path` is no folder here and cannot be a hub id either. Asks no network."""
    if not Path(path).is_dir() and not is_hub_id(path):
        raise ConfigError(f"{missing(path, key)}, and it is no hub id (org/name)")


def read_model_config(path: str, revision: str = "", key: str = "model.path") -> dict[str, Json]:
    """The model's config.json, from a local folder, the cache of the hub on this machine, or the hub. Raises
    ConfigError."""
    folder = Path(path)
    if folder.is_dir():
        try:
            return dict(json.loads((folder / "config.json").read_text()))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{key} = {path!r}: no readable config.json there: {error}")
    check_model_path(path, key)
    try:
        return dict(json.loads(Path(hub_file(path, revision)).read_text()))
    except Exception as error:  # the hub's library raises its own, those of its HTTP client, and OSError
        why = "" if path.partition("/")[0] in LOCAL_FOLDERS else f" nor to be had from the hub ({type(error).__name__})"
        neither = "neither in the Hugging Face cache" if why else "not in the Hugging Face cache"
        raise ConfigError(
            f"{missing(path, key)}. If it is meant as a hub id, it is {neither}{why}: `hf download {path}` first"
        )


def hub_file(path: str, revision: str, name: str = "config.json") -> str:
    """The local copy of a file of the model, downloaded where needed. Raises what the hub's library does."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import LocalEntryNotFoundError

    wanted = revision or None
    try:
        return hf_hub_download(path, name, revision=wanted, local_files_only=True)
    except LocalEntryNotFoundError:
        if path.partition("/")[0] in LOCAL_FOLDERS:
            raise
    # Where there is no network, a download tries for half a minute. This request asks once.
    get_hf_file_metadata(hf_hub_url(path, name, revision=wanted), timeout=HUB_TIMEOUT_S)
    return hf_hub_download(path, name, revision=wanted)


def missing(path: str, key: str) -> str:
    """Where the folder was looked for."""
    folder = Path(path).expanduser()
    if path.startswith("~") and folder.is_dir():
        return f"{key} = {path!r}: `~` is not expanded; write {folder}"
    text = f"{key} = {path!r}: no such folder here: {folder.absolute()}"
    if not folder.is_absolute():
        text += " (a relative path begins at the working directory, not at the config file)"
    return text


def public_name(path: str) -> str:
    """The name of a model for others to read: its hub id, or the name of its folder without the path to it."""
    if cached := re.search(r"(?:^|/)models--([^/]+?)--([^/]+)/snapshots/", path):
        return f"{cached[1]}/{cached[2]}"
    first, slash, _ = path.partition("/")
    is_id = path.count("/") <= 1 and first not in ("", ".", "..", "~") and not (slash and first in LOCAL_FOLDERS)
    return path if is_id else path.rstrip("/").rpartition("/")[2]
