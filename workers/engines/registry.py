"""The engines by name, for `model.engine`. A new one costs one file and one row."""

from __future__ import annotations

from typing import NamedTuple

from verifiers.registry import Registry, load
from workers.engines.base import Engine, EngineSettings


class EngineRow(NamedTuple):
    """`target` names the workers.engines.base.Engine, as `package.module:name`; its module is imported when the engine
    is used, and must not load what only `start` needs."""

    target: str


ENGINES: Registry[EngineRow] = Registry(
    "engine",
    {
        "vllm": EngineRow("workers.engines.vllm:VllmEngine"),
        "openai": EngineRow("workers.engines.openai_compatible:OpenAIEngine"),
    },
)


def engine_class(name: str) -> type[Engine]:
    """Raises UnknownNameError."""
    found: type[Engine] = load(ENGINES.row(name).target)
    return found


def open_engine(settings: EngineSettings) -> Engine:
    """The engine that the settings name, not started. Raises UnknownNameError."""
    return engine_class(settings.engine)(settings)
