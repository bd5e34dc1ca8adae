"""`export --push-to-hub`: uploads a finished data set to the Hugging Face hub.

Promises: the repository is private, unless `output.public` asks for a public one; what is not decontaminated, or holds
samples of a confidential source, is never uploaded. The token comes from the environment (HF_TOKEN) and is in no error
and no log. Uploaded are the card, the data and dataset_info.json, in one commit: what says where things lie on this
machine (export.json, contamination.jsonl) and the fingerprints stay here.
Does not: make a private repository public, or a public one private.
Fails: ConfigError before anything is read where the set, the token or the repository is not right; PushError where the
hub fails, with the data set whole at --out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from jobs.config import ConfigError
from jobs.export.destination import CARD
from jobs.export.layout_files import DATASET_INFO
from jobs.export.settings import ExportSettings
from jobs.model_path import is_hub_id
from runstore.reader import read_run_json
from runstore.storage import StorageError, open_storage
from workers.engines.remote.confidential import (
    MARK,
    SOURCES,
    is_marked,
    is_of_place,
    is_of_source,
    is_putnam,
    is_putnam_theorem,
)

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Json = Any

KEY = "output.push_to_hub"
TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


class PushError(StorageError):
    """The hub did not take the data set."""


def check_settings(settings: ExportSettings, out: str) -> None:
    """Raises ConfigError for what may not be uploaded, whatever is in it."""
    name = settings.output.push_to_hub
    faults = []
    if not is_hub_id(name):
        faults.append(f"{KEY}: {name!r} is no id of the hub; expected ORG/NAME")
    if urlsplit(out).scheme not in ("", "file"):
        faults.append(f"{KEY}: --out has to be a local folder, which is then uploaded")
    if not settings.decontaminate.all_files():
        faults.append(
            f"{KEY}: the data set is not decontaminated, and others will train on it: give the evaluation sets with "
            "--decontaminate FILE"
        )
    if not token():
        faults.append(f"{KEY}: no token in the environment: set HF_TOKEN to one that may write to {name}")
    if faults:
        raise ConfigError("\n".join(faults))


def token() -> str:
    return next((value for name in TOKEN_VARIABLES if (value := os.environ.get(name, "").strip())), "")


def without_token(text: str) -> str:
    """An error's text as it may be shown."""
    return text.replace(secret, "…") if (secret := token()) else text


def check_repository(settings: ExportSettings) -> None:
    """Asks the hub for the repository. Raises ConfigError for a public one that was not asked for, and PushError."""
    name = settings.output.push_to_hub
    known = visibility(name)
    if known == "public" and not settings.output.public:
        raise ConfigError(
            f"{KEY}: {name} is public on the hub; make it private there, give another name, or set output.public = true"
        )


def visibility(name: str) -> str:
    """`private`, `public`, or empty where there is no such data set for this token. Raises PushError."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return "private" if hub().repo_info(name, repo_type="dataset").private else "public"
    except RepositoryNotFoundError:
        return ""
    except Exception as error:  # the library raises its own, those of its HTTP client, and OSError
        raise failed(name, "cannot be asked for", error) from None


def hub() -> HfApi:
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=token())


def failed(name: str, what: str, error: Exception) -> PushError:
    return PushError(f"{KEY}: {name} {what}: {type(error).__name__}: {without_token(str(error))}")


def confidential_sources(uris: Iterable[str]) -> tuple[str, ...]:
    """The sources that are confidential to any of the runs, and those that always are. Raises ConfigError for a run
    whose prompts hold confidential texts, or whose problem files have the name of a confidential source."""
    sources = dict.fromkeys(SOURCES)
    files: list[tuple[str, str]] = []
    for uri in uris:
        record = read_run_json(open_storage(uri)) or {}
        files += [(uri, name) for name in problem_files(record)]
        config = record.get("config")
        if not isinstance(config, Mapping):
            continue
        problems, prompt = (config.get(key) for key in ("problems", "prompt"))
        if isinstance(problems, Mapping) and isinstance(problems.get("confidential"), list):
            sources |= dict.fromkeys(map(str, problems["confidential"]))
        if isinstance(prompt, Mapping) and prompt.get("confidential"):
            raise ConfigError(f"{KEY}: the prompts of {uri} hold texts that its config calls confidential")
    for uri, name in files:
        if is_of_place(name, sources):
            raise ConfigError(
                f"{KEY}: the problems of {uri} are of {name}, which has the name of a confidential source; they must "
                "not become training data of others"
            )
    return tuple(sources)


def problem_files(record: Mapping[str, Json]) -> list[str]:
    """The URIs of the files that a run's problems were read from. Runs whose config takes nothing for confidential, and
    runs from before problems were marked by their file, are told by these alone."""
    problems = record.get("problems")
    files = problems.get("sources") if isinstance(problems, Mapping) else None
    return [str(file.get("uri", "")) for file in files or () if isinstance(file, Mapping)]


def confidential_rows(batch: pa.RecordBatch, sources: Iterable[str]) -> set[str]:
    """What names the confidential problems among these rows: their source, or their theorem's name. The rule is that of
    the endpoints (workers.engines.remote.confidential)."""
    names = tuple(sources)
    found = {source for source in pc.unique(batch["source"]).to_pylist() if is_of_source(source or "", names)}
    for row in rows_with(batch, "meta", MARK):
        if (meta := parsed(row["meta"])) is None or is_marked(meta):
            found.add(row["source"] or "(no source)")
    if is_putnam(names):
        for row in rows_with(batch, "reference", "putnam_"):
            reference = parsed(row["reference"])
            if is_putnam_theorem(reference):
                found.add(reference["name"])
    return found


def rows_with(batch: pa.RecordBatch, column: str, text: str) -> list[dict[str, Json]]:
    """`source` and the JSON `column` of the rows in which it may hold `text`, as it stands or escaped."""
    may_hold = pc.match_substring_regex(batch[column], rf"{text}|\\u00")
    return list(batch.select(["source", column]).filter(may_hold).to_pylist())


def parsed(text: str) -> Json:
    """The value of a JSON text; None where it is none, so that nothing is known of it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def push(settings: ExportSettings, out: str) -> str:
    """Uploads the data set at `out` and returns its address. Raises PushError."""
    name = settings.output.push_to_hub
    folder = Path(urlsplit(out).path if urlsplit(out).scheme else out)
    try:
        api = hub()
        if not visibility(name):
            api.create_repo(name, repo_type="dataset", private=not settings.output.public)
        # Somebody may have made it public, or made one of this name, while the export ran.
        if visibility(name) == "public" and not settings.output.public:
            raise PushError(f"{KEY}: {name} is public on the hub; nothing was uploaded")
        files = [CARD, DATASET_INFO, *settings.data_files.values()]
        done = api.upload_folder(
            folder_path=folder,
            repo_id=name,
            repo_type="dataset",
            allow_patterns=files,
            commit_message="Upload by proofmill export",
        )
    except PushError:
        raise
    except Exception as error:
        raise failed(name, f"could not be uploaded; the data set is whole at {out}", error) from None
    return without_token(str(done.commit_url))


def dataset_info(schema: pa.Schema, num_rows: int, num_bytes: int) -> dict[str, Json]:
    """The card's `dataset_info`: features and size of the one split, as the library `datasets` writes them."""
    from datasets import DatasetInfo, Features, SplitDict, SplitInfo

    splits = SplitDict({"train": SplitInfo("train", num_bytes=num_bytes, num_examples=num_rows)})
    info = DatasetInfo(
        features=Features.from_arrow_schema(schema),
        splits=splits,
        download_size=num_bytes,
        dataset_size=num_bytes,
    )
    return dict(info._to_yaml_dict())
