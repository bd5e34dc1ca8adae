"""What a model's folder says of it before an engine has loaded it, and which revision of the model it is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def context_of(path: str) -> int:
    """The model's context from its config.json, 0 where there is none to read."""
    return int(config_of(path).get("max_position_embeddings", 0))


def keeps_states(path: str) -> bool:
    """Whether a sample has a state of fixed size beside its KV cache (Mamba, linear attention), by the config.json."""
    config = config_of(path)
    inner = config.get("text_config")
    keys = inner if isinstance(inner, dict) else config
    return any(key.startswith(("mamba_", "linear_")) for key in keys)


def config_of(path: str) -> dict[str, Any]:
    """The config.json of a model's folder, empty where there is none to read."""
    try:
        config = json.loads((Path(path) / "config.json").read_text())
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def model_revision(path: str, model_config: Any) -> str:
    """The hub's commit, or for a local directory a hash over its JSON files and the ends of its weight files.

    The first megabyte of a safetensors file holds every tensor's name, shape and offset; hashing all of a large
    model would take minutes at every start.
    """
    folder = Path(path)
    if not folder.is_dir():
        return str(getattr(model_config.hf_config, "_commit_hash", "") or "")
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.json")):
        digest.update(file.name.encode() + file.read_bytes())
    for file in sorted(folder.glob("*.safetensors")):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(1 << 20))
            stream.seek(max(0, size - (1 << 20)))
            digest.update(stream.read())
    return f"sha256:{digest.hexdigest()[:16]}"
