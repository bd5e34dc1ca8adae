"""One Lean process of the embedded engine: what it is started with, and in which room.

Promises: it runs in the sandbox's strongest tier, without network, host files or home. Does not: trust an elaborator's
answer. What counts as proven is the auditor's word (engine.py), and the second kernel's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
from pathlib import Path

from verifiers.lean.assembly import MAX_HEARTBEATS_IN_TEXT
from verifiers.lean.embedded.install import Prepared
from verifiers.lean.line_process import LineProcess
from verifiers.sandbox.cgroups import Group
from verifiers.sandbox.room import Room, SandboxedProcess, library_symlinks, shared_libraries, start

EMBEDDED = Path(__file__).resolve().parent / "worker"
START_TIMEOUT_S = 120.0  # 4 s on an idle machine; the first start after boot reads 380 MB
_SCRIPT_HEAP_MB = 1024
_RESERVED_MB = 3072
# Address space that the runtime reserves and mostly never touches: the module's memory up to its maximum of 2 GB, and a
# deep stack. A per-process limit counts it, a control group does not.


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What every process of one engine is started with."""

    prepared: Prepared
    imports: tuple[str, ...]
    max_heartbeats: int
    """Heartbeats of one elaboration, in Lean's unit of a thousand small allocations."""
    replay_heartbeats: int
    """Heartbeats of the kernel's replay, in small allocations; 0 = no bound."""
    memory_mb: int
    allow_unprotected: bool = False
    """Whether to run where the machine offers no sandbox at all."""


class LeanProcess(LineProcess):
    """A started worker.js."""

    def __init__(self, settings: Settings, role: str) -> None:
        self.role = role
        super().__init__(_start(settings, role), START_TIMEOUT_S)


def _start(settings: Settings, role: str) -> SandboxedProcess:
    prepared = settings.prepared
    room = Room(
        argv=(
            "/lean/node",
            f"--max-old-space-size={_SCRIPT_HEAP_MB}",
            "/lean/worker/worker.js",
            configuration(settings, role, "/lean/module", "/lean/module/library"),
        ),
        read_only={
            "/lean/node": os.path.realpath(prepared.node),
            "/lean/worker": os.path.realpath(EMBEDDED),
            "/lean/module": os.path.realpath(prepared.module_dir),
            **shared_libraries(),
        },
        symlinks=library_symlinks(),
        tmp_mb=0,
        cwd="/",
        memory_mb=settings.memory_mb + _RESERVED_MB,
    )
    process = start(room, stdin=subprocess.PIPE, stdout=subprocess.PIPE, allow_unprotected=settings.allow_unprotected)
    if process.cgroup:
        with contextlib.suppress(OSError):
            Group(*process.cgroup).limit(settings.memory_mb << 20, room.processes)
    return process


def configuration(settings: Settings, role: str, module_dir: str, library_dir: str) -> str:
    return json.dumps(
        {
            "moduleDir": module_dir,
            "libraryDir": library_dir,
            "imports": ["Init", *settings.imports],
            "maxHeartbeats": settings.max_heartbeats,
            "maxHeartbeatsInText": max(settings.max_heartbeats, MAX_HEARTBEATS_IN_TEXT),
            "replayHeartbeats": settings.replay_heartbeats,
            "role": role,
        }
    )
