"""A resources server for NeMo Gym (its interface of September 2026).

    # resources_servers/proofmill/app.py
    from proofmill_rewards.nemo_gym import ProofmillResourcesServer
    if __name__ == "__main__":
        ProofmillResourcesServer.run_webserver()

Rows carry `responses_create_params` and beside it `kind` and `reference`, as `proofmill export rl --layout nemo_gym`
writes them, or these two in `verifier_metadata`.

What was not decided is answered with `mask_sample: true`, `failure_kind` and `failure_reason`, which NeMo Gym and NeMo
RL leave out of the step, and with `_ng_failure_class`, by which older versions put the row beside the results. Its
`reward` of 0 is what the schema demands and is read by neither (NVIDIA-NeMo/Gym issues 2608 and 2552).
"""

from __future__ import annotations

from typing import Any

from nemo_gym.base_resources_server import (
    BaseResourcesServerConfig,
    BaseVerifyRequest,
    BaseVerifyResponse,
    SimpleResourcesServer,
)
from pydantic import ConfigDict

from .client import Verdict, item, verify_async


class ProofmillVerifyRequest(BaseVerifyRequest):  # type: ignore[misc]
    """A row with its response; a row may hold more than is read."""

    model_config = ConfigDict(extra="allow")


class ProofmillVerifyResponse(BaseVerifyResponse):  # type: ignore[misc]
    """The row with its reward."""

    model_config = ConfigDict(extra="allow")

    proofmill_status: str
    proofmill_reason: str
    mask_sample: bool = False
    failure_kind: str | None = None
    failure_reason: str | None = None


class ProofmillResourcesServer(SimpleResourcesServer):  # type: ignore[misc]
    config: BaseResourcesServerConfig

    async def verify(self, body: ProofmillVerifyRequest) -> ProofmillVerifyResponse:
        row = body.model_dump()
        facts = row if row.get("reference") is not None else row.get("verifier_metadata") or {}
        if "reference" not in facts:
            raise ValueError("the row has no reference: give kind and reference, or verifier_metadata with these two")
        response = row["response"]
        text = text_of_response(response)
        one = item(str(facts.get("kind") or "math"), facts["reference"], text, finish_reason_of(response))
        verdict = (await verify_async([one]))[0]
        return ProofmillVerifyResponse(**{**row, **graded(verdict)})


def graded(verdict: Verdict) -> dict[str, Any]:
    """The fields of a verify response that follow from a verdict."""
    found: dict[str, Any] = {
        "reward": verdict.reward or 0.0,
        "proofmill_status": verdict.status,
        "proofmill_reason": verdict.reason,
    }
    if verdict.reward is None:
        found.update(
            mask_sample=True,
            failure_kind="verifier_undecided",
            failure_reason=f"{verdict.status}: {verdict.reason}",
            _ng_failure_class="verifier_undecided",
        )
    return found


def text_of_response(response: dict[str, Any]) -> str:
    """The text of a response of OpenAI's Responses API: that of its last message."""
    texts = [
        "".join(part.get("text") or "" for part in output.get("content") or [] if part.get("type") == "output_text")
        for output in response.get("output") or []
        if output.get("type") == "message"
    ]
    return texts[-1] if texts else ""


def finish_reason_of(response: dict[str, Any]) -> str | None:
    """`length` for a response that was cut off."""
    details = response.get("incomplete_details") or {}
    return "length" if details.get("reason") == "max_output_tokens" else None
