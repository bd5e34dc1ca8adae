"""A LoRA adapter in vLLM's terms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks that vLLM can be given room for."""


def room_for(folder: str) -> dict[str, Any]:
    """The engine arguments that keep room for the adapter in `folder`. Raises ValueError for one that vLLM cannot
    hold."""
    try:
        rank = int(json.loads((Path(folder) / "adapter_config.json").read_text())["r"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder}: no readable adapter_config.json with a rank r: {error}") from None
    fitting = [known for known in RANKS if known >= rank]
    if not fitting:
        raise ValueError(f"{folder}: rank {rank}; vLLM takes adapters up to rank {RANKS[-1]}")
    return {"enable_lora": True, "max_loras": 1, "max_lora_rank": fitting[0]}
