"""An environment for Prime Intellect's `verifiers` (0.4) and so for prime-rl.

    import proofmill_rewards.environment as proofmill
    taskset = proofmill.ProofmillTaskset(proofmill.ProofmillConfig(dataset="problems.jsonl"))

`dataset` is a problem file in Proofmill's canonical JSONL (`id`, `kind`, `prompt`, `reference`). What was not decided
raises `UndecidedError` while the task is scored: the trace then carries an error and no reward, and prime-rl drops it.

`verifiers` pins versions of its dependencies that Proofmill cannot share, which is one more reason to ask over HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import verifiers.v1 as vf

from .client import item, verify_async


class UndecidedError(Exception):
    """The service could not decide about a text; the text has no reward."""


class ProofmillConfig(vf.TasksetConfig):  # type: ignore[misc]
    dataset: Path
    """A problem file in canonical JSONL."""


class ProofmillData(vf.TaskData):  # type: ignore[misc]
    """`reference` stands as JSON text: a reference of another kind has other fields."""

    kind: str
    reference: str


class ProofmillTask(vf.Task[ProofmillData, vf.State, vf.TaskConfig]):  # type: ignore[misc]
    @vf.reward(weight=1.0)  # type: ignore[untyped-decorator]
    async def verified(self, trace: Any) -> float:
        """1.0 for a verified answer, 0.0 for a refuted or malformed one. Raises UndecidedError."""
        ended = "length" if trace.is_truncated else None
        one = item(self.data.kind, self.data.reference, trace.last_reply, ended, self.data.prompt_text)
        verdict = (await verify_async([one]))[0]
        trace.info["proofmill"] = {"status": verdict.status, "reason": verdict.reason}
        if verdict.reward is None:
            raise UndecidedError(f"{verdict.status}: {verdict.reason}")
        return verdict.reward


class ProofmillTaskset(vf.Taskset[ProofmillTask, ProofmillConfig]):  # type: ignore[misc]
    def load(self) -> Iterator[ProofmillTask]:
        path = self.config.dataset.expanduser()
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if missing := [name for name in ("id", "kind", "prompt", "reference") if name not in row]:
                    raise ValueError(f"{path}:{number}: {missing[0]} is missing; a canonical problem has it")
                yield ProofmillTask(
                    ProofmillData(
                        id=str(row["id"]),
                        kind=row["kind"],
                        prompt=row["prompt"],
                        reference=json.dumps(row["reference"]),
                    )
                )
