"""A small client of `POST /v1/verify` for reward functions: retries what may be retried, nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import httpx

URL = os.environ.get("PROOFMILL_URL", "http://127.0.0.1:8000")
MAX_ITEMS = 10_000
RETRIED = (429, 500, 502, 503, 504)
"""500 is also what the proxy answers for requests of a gateway that died."""


def verify(items: Sequence[dict[str, Any]], attempts: int = 8) -> list[dict[str, Any]]:
    """Verdicts of `items`, in order. Waits where the service is busy; raises httpx.HTTPStatusError otherwise."""
    token = os.environ.get("PROOFMILL_TOKEN", "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    verdicts: list[dict[str, Any]] = []
    with httpx.Client(base_url=URL, headers=headers, timeout=600) as client:
        for start in range(0, len(items), MAX_ITEMS):
            verdicts += ask(client, items[start : start + MAX_ITEMS], attempts)
    return verdicts


def ask(client: httpx.Client, items: Sequence[dict[str, Any]], attempts: int) -> list[dict[str, Any]]:
    for attempt in range(1, attempts + 1):
        wait_s = min(2.0**attempt, 30.0)
        try:
            response = client.post("/v1/verify", json={"items": list(items)})
        except httpx.TransportError:
            if attempt == attempts:
                raise
        else:
            if response.status_code not in RETRIED or attempt == attempts:
                response.raise_for_status()
                verdicts: list[dict[str, Any]] = response.json()["verdicts"]
                return verdicts
            wait_s = float(response.headers.get("Retry-After", wait_s))
        time.sleep(wait_s)  # a check is pure, so asking again is safe
    raise AssertionError("unreachable")
