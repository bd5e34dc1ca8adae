"""Proofmill's tasks in Prime Intellect's `verifiers`, scored as the package scores a trace."""

import asyncio
import json
import os
from pathlib import Path

import proofmill_rewards.environment as integration
import verifiers.v1 as vf
from apart import ITEMS

taskset = integration.ProofmillTaskset(integration.ProofmillConfig(dataset=Path(os.environ["PROBLEMS"])))


async def main() -> None:
    rewards, errors = [], []
    for task, item in zip(taskset, ITEMS, strict=True):
        trace = vf.Trace.model_construct(rewards={}, metrics={}, info={}, root_reply=item["text"], nodes=[], calls=[])
        try:
            await task.score(trace)
            rewards.append(trace.rewards["verified"].value)
        except vf.TaskError as error:
            rewards.append(None)
            errors.append(repr(error.__cause__ or error))
            assert trace.rewards.get("verified") is None
    print(json.dumps({"rewards": rewards, "errors": errors}))


asyncio.run(main())
