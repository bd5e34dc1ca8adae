"""What a layout asks of the files beyond its columns: format and name, and what its trainer wants beside them.

Does not: know the columns; the modules under jobs/export/formats/ do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

Json = Any

DATASET_INFO = "dataset_info.json"
"""What LLaMA-Factory reads first in a folder of data sets."""


class LayoutFiles(NamedTuple):
    only: str = ""
    """The one file format that the trainer reads; empty: any."""
    stem: str = "train"
    """Name of the data file without its ending."""
    without_nulls: bool = False
    """Whether JSON lines leave out what is null inside a column: its values are of several shapes."""


PLAIN = LayoutFiles()
LAYOUT_FILES: Mapping[tuple[str, str], LayoutFiles] = {
    ("sft", "megatron_bridge"): LayoutFiles(only="jsonl", stem="training"),
    ("rl", "nemo_gym"): LayoutFiles(only="jsonl", without_nulls=True),
}
"""(format, layout) → its files; a layout that is not here takes any."""


def files_of_layout(format: str, layout: str) -> LayoutFiles:
    return LAYOUT_FILES.get((format, layout), PLAIN)


def data_name(kind: str, files: LayoutFiles = PLAIN) -> str:
    return f"data/{files.stem}.{kind}"


DATA_NAMES = frozenset(
    data_name(kind, files) for files in (PLAIN, *LAYOUT_FILES.values()) for kind in ("parquet", "jsonl")
)
"""Every name that a data file of an export can have."""

ROLES = {"user_tag": "user", "assistant_tag": "assistant", "system_tag": "system"}
SHAREGPT_TAGS = {"role_tag": "from", "content_tag": "value", **ROLES}
"""All of them: with some given, LLaMA-Factory takes the others for absent and not for its defaults."""

SETS: Mapping[tuple[str, str], dict[str, Json]] = {
    ("sft", "openthoughts"): {
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "system": "system"},
        "tags": SHAREGPT_TAGS,
    },
    ("preference", "llama_factory"): {
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected", "system": "system"},
        "tags": SHAREGPT_TAGS,
    },
    ("kto", "llama_factory"): {
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "kto_tag": "label", "system": "system"},
        "tags": SHAREGPT_TAGS,
    },
}
"""(format, layout) → how LLaMA-Factory is told of the set."""


def dataset_info(format: str, layout: str, name: str, file: str) -> bytes | None:
    """The dataset_info.json of a set that LLaMA-Factory reads; None for other layouts. `name` becomes the name for its
    `dataset:`, where a comma would part two sets."""
    entry = SETS.get((format, layout))
    if entry is None:
        return None
    plain = re.sub(r"[^\w.-]+", "_", name).strip("_") or "proofmill"
    return json.dumps({plain: {"file_name": file, **entry}}, indent=2).encode() + b"\n"
