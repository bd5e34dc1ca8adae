"""Proofmill's resources server on a stand-in for NeMo Gym's classes, which no package index has."""

import asyncio
import json
import sys
from types import ModuleType
from typing import Any

from apart import ITEMS
from pydantic import BaseModel

base = ModuleType("nemo_gym.base_resources_server")


class BaseVerifyRequest(BaseModel):
    responses_create_params: dict[str, Any]
    response: dict[str, Any]


class BaseVerifyResponse(BaseVerifyRequest):
    reward: float


base.BaseVerifyRequest, base.BaseVerifyResponse = BaseVerifyRequest, BaseVerifyResponse
base.BaseResourcesServerConfig = type("BaseResourcesServerConfig", (BaseModel,), {})
base.SimpleResourcesServer = type("SimpleResourcesServer", (), {})
sys.modules.update({"nemo_gym": ModuleType("nemo_gym"), "nemo_gym.base_resources_server": base})

from proofmill_rewards.nemo_gym import ProofmillResourcesServer, ProofmillVerifyRequest  # noqa: E402


def request(item: dict, **others: Any) -> ProofmillVerifyRequest:
    content = [{"type": "output_text", "text": item["text"]}]
    response = {"output": [{"type": "reasoning"}, {"type": "message", "content": content}], **others}
    row = {"kind": "math", "reference": item["reference"]}
    if item["name"] == "verified":
        row = {"verifier_metadata": row}
    elif item["name"] == "refuted":  # as an export of programs has it
        row["verifier_metadata"] = {"unit_tests": None}
    return ProofmillVerifyRequest(responses_create_params={"input": []}, response=response, **row)


async def ask(item: dict, **others: Any) -> dict:
    answer = await ProofmillResourcesServer().verify(request(item, **others))
    return {name: value for name, value in answer.model_dump().items() if name not in ("response", "reference")}


async def main() -> None:
    answers = [await ask(item) for item in ITEMS]
    draft = {"name": "draft", "reference": {"answer": "5"}, "text": "It might be 5"}
    cut = await ask(draft, incomplete_details={"reason": "max_output_tokens"})
    print(json.dumps({"answers": answers, "cut off": cut}))


asyncio.run(main())
