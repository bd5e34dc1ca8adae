"""Values that only the processes of a run may know: keys of the object storage, tokens of hubs and of remote engines.

    secrets = Secrets({"AWS_SECRET_ACCESS_KEY": "…"})
    ray.remote(Writer).remote(..., secrets)        the actor's constructor begins with secrets.adopt()

Promises: a value stands in no text that this type makes (`repr`, f-strings, the tracebacks and settings that hold one),
only its name does. It travels as an argument of an actor's constructor: a small value that Ray keeps in the memory of
its control store and of the two processes, never in a runtime environment, which Ray writes into logs, command lines
and answers of its API. `adopt` puts the values into `os.environ` of the actor, whose own `/proc/<pid>/environ` does not
show them, and keeps them from the checkers' child processes. Each kind of worker gets what it needs and nothing else.
An engine's own child processes (vLLM has some) start with their generator's variables, which only the same user can
read.
Does not: hide a value from code that runs in the same process or as the same user (it can read the memory), nor from
anyone who may run code on the cluster. Encrypt: Ray's messages between machines are plain unless RAY_USE_TLS is set. A
control store with a Redis behind it (fault tolerance) keeps arguments of live actors there; give the nodes an instance
role instead, and nothing travels.
Fails: with ValueError for more than MAX_BYTES, because Ray puts large arguments into the object store, which may spill
to a disk.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping

from verifiers.processes.environment import withhold

MAX_BYTES = 16 << 10
"""Largest size of all names and values together. Ray's bound for an argument that travels in the message is 100 KB, and
the coordinator's settings hold those of all three kinds of workers."""


class Secrets(Mapping[str, str]):
    """Environment variables by name, whose values are shown nowhere."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})
        size = sum(len(name.encode()) + len(value.encode()) for name, value in self._values.items())
        if size > MAX_BYTES:
            raise ValueError(
                f"the variables {', '.join(sorted(self._values))} hold {size:,} bytes, more than the {MAX_BYTES:,} "
                "that are handed to an actor; name fewer, or put a large value into a file that all nodes share"
            )

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values))

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values))})"

    def __reduce__(self) -> tuple[type[Secrets], tuple[dict[str, str]]]:
        return Secrets, (self._values,)

    def adopt(self) -> None:
        """Makes them variables of this process. Must run before anything reads them."""
        if "AWS_ACCESS_KEY_ID" in self and "AWS_SESSION_TOKEN" not in self:
            # A token of the node's own belongs to the node's own keys; with these keys it would be refused.
            os.environ.pop("AWS_SESSION_TOKEN", None)
        os.environ.update(self._values)
        withhold(self._values)


NONE = Secrets()
"""Nothing to hand over: the worker uses what its node has."""


@dataclasses.dataclass(frozen=True, slots=True)
class RunSecrets:
    """What each kind of a run's workers is handed."""

    storage: Secrets = NONE
    """Secrets of the coordinator and the writers: keys of the run's storage."""
    generator: Secrets = NONE
    verifier: Secrets = NONE


NO_SECRETS = RunSecrets()
