"""The stand-in engine by name, for services and runs in processes of their own: `plugins = ["stand_in_plugin"]`."""

from __future__ import annotations

import asyncio
from typing import Any

from stand_ins import StandInEngine

from workers.engines.registry import EngineRow


class LoadsForEver(StandInEngine):
    """An engine whose model is as large as can be."""

    async def start(self) -> None:
        await asyncio.sleep(3600)


def register(tables: Any) -> None:
    tables.engines.add("stand-in", EngineRow("stand_ins:StandInEngine"))
    tables.engines.add("loads-for-ever", EngineRow("stand_in_plugin:LoadsForEver"))
