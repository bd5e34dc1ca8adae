"""`[verify.lean.native]`: how the native engine works, read and checked before anything runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from verifiers.types import Json, SettingsError

AUDITS = ("auto", "comparator", "safeverify", "leanchecker")


class ProjectError(SettingsError):
    """The Lake project or its settings cannot be used; the text says what would be right."""


@dataclasses.dataclass(frozen=True, slots=True)
class NativeSettings:
    """Every key is optional."""

    lake: str = ""
    """Path of `lake`; empty: the one on PATH."""
    repl: str = ""
    """A built checkout of the Lean REPL (or its program) for the project's toolchain; empty: looked for, else no fast
    first pass."""
    lean4export: str = ""
    safe_verify: str = ""
    lean4checker: str = ""
    """Programs of the toolchain's version, for toolchains that bring none of their own; empty: looked for."""
    audit: str = "auto"
    """Which audit decides: one of AUDITS; `auto` takes the strongest that is there."""
    accept_unaudited: bool = False
    """Accept what merely elaborates where no audit tool is there. Every such verdict's tier says `unaudited`."""
    everything: bool = False
    """Send every Lean problem here, not only those that the embedded engine has no library for."""
    max_heartbeats: int = 200_000
    """Lean's own default, which Mathlib is built with."""
    wall_s: float = 120.0
    """Seconds to elaborate one candidate, `import Mathlib` included, where the run sets no limit of its own."""
    audit_wall_s: float = 600.0
    """Seconds for each step of the audit."""
    memory_mb: int = 10_000
    """Memory of one elaboration, of each step of the audit, and of one warm REPL."""
    max_workers: int = 0
    """Candidates and statements that one process elaborates side by side; 0: as many as the machine's memory holds. The
    plan of a run sets it by the memory of its nodes."""
    max_requests: int = 500
    """Candidates that one warm REPL sees before it is replaced: it keeps every environment it has made."""

    def worker_mb(self, with_repl: bool) -> int:
        """Memory that one worker may take: an elaboration or a step of its audit, beside its warm REPL."""
        return self.memory_mb * (2 if with_repl else 1)

    @classmethod
    def read(cls, table: Mapping[str, Json]) -> NativeSettings:
        """Raises ProjectError naming the key."""
        fields = {field.name: field for field in dataclasses.fields(cls)}
        for key, value in table.items():
            if key not in fields:
                raise ProjectError(f"verify.lean.native.{key}: unknown key; known here: {', '.join(fields)}")
            default = fields[key].default
            wanted: type | tuple[type, ...] = (int, float) if isinstance(default, float) else type(default)
            if not isinstance(value, wanted) or (isinstance(value, bool) and not isinstance(default, bool)):
                raise ProjectError(f"verify.lean.native.{key}: expected {type(default).__name__}, got {value!r}")
            if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
                raise ProjectError(f"verify.lean.native.{key}: must be greater than 0, got {value!r}")
        settings = cls(**table)
        if settings.audit not in AUDITS:
            raise ProjectError(f"verify.lean.native.audit: one of {', '.join(AUDITS)}, got {settings.audit!r}")
        for key in ("lake", "lean4export", "safe_verify", "lean4checker", "repl"):
            path = getattr(settings, key)
            if path and not Path(path).expanduser().exists():
                raise ProjectError(f"verify.lean.native.{key}: no such file: {path}")
        return settings
