"""Jobs on a Ray cluster, seen from outside: connect, and follow the log.

Promises: `follow_log` writes every character of a job's log once, in order, over any number of lost connections (Ray
sends a log from its beginning on every connection; what was written is skipped).
Does not: keep a job's log once its node is gone; Ray stores it on that node only.
Fails: with RemoteError, whose text is for the user. A job that cannot be reached for `patience_s` is left running, and
the error says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import sys
import time
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

TERMINAL = ("SUCCEEDED", "FAILED", "STOPPED")
DEFAULT_ADDRESS = "http://127.0.0.1:8265"
ADDRESS_VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
MAX_BACKOFF_S = 15.0
RAY_LOGGERS = ("ray.dashboard.modules.job.sdk", "ray.dashboard.modules.dashboard_sdk")
"""Loggers of Ray's client whose lines about uploads and closed connections would stand amid the job's log."""


class RemoteError(Exception):
    """The cluster refused or could not be reached; the text is for the user."""


class LogSource(Protocol):
    """The part of JobSubmissionClient that `follow_log` needs."""

    def tail_job_logs(self, job_id: str) -> AsyncIterator[str]: ...
    def get_job_status(self, job_id: str) -> object: ...
    def get_job_logs(self, job_id: str) -> str: ...


def connect(address: str) -> JobSubmissionClient:
    """A client of the cluster at `address` (http://head:8265). An address given here wins over Ray's variables.

    The token is Ray's own: RAY_AUTH_TOKEN, the file RAY_AUTH_TOKEN_PATH, or ~/.ray/auth_token, unless
    RAY_AUTH_MODE=disabled.
    """
    if not address:
        address = next((value for name in ADDRESS_VARIABLES if (value := os.environ.get(name))), DEFAULT_ADDRESS)
    if "://" not in address:
        address = f"http://{address}"
    token = read_token()
    if token and not is_private_channel(address):
        print(f"warning: {address} is not encrypted: the cluster's token travels in the clear", file=sys.stderr)

    if not token and not is_private_channel(address):
        print(f"warning: {address} is asked without a token: others who reach it can run code there", file=sys.stderr)

    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    for name in RAY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)

    headers = {"Authorization": f"Bearer {token}"} if token else None
    # In Ray these variables take precedence over the argument, which would send the job to another cluster.
    hidden = {name: os.environ.pop(name) for name in ADDRESS_VARIABLES if name in os.environ}
    try:
        return JobSubmissionClient(address, headers=headers)
    except AuthenticationError as error:
        raise RemoteError(
            f"{address}: the cluster asks for a token that "
            f"{'differs from yours' if token else 'you do not have'}: set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH "
            "(`ray get-auth-token` on the head node prints it)"
        ) from error
    except (ConnectionError, RuntimeError, OSError) as error:
        raise RemoteError(f"{address}: no Ray cluster answers there ({error})") from error
    finally:
        os.environ.update(hidden)


def read_token() -> str:
    if os.environ.get("RAY_AUTH_MODE", "").lower() == "disabled":
        return ""
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    with contextlib.suppress(OSError):
        return path.read_text().strip()
    return ""


def is_private_channel(address: str) -> bool:
    """True for https and for loopback addresses."""
    parts = urllib.parse.urlsplit(address)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


async def follow_log(
    client: LogSource,
    job_id: str,
    write: Callable[[str], object],
    *,
    patience_s: float = 3600.0,
    note: Callable[[str], object] = lambda text: None,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> str:
    """Writes the log as it grows until the job ends; returns its status. Raises RemoteError for an unknown job, and
    when the cluster stays away."""
    written = 0
    lost_at: float | None = None
    backoff_s = 0.5
    while True:
        try:
            # Asked first, because this call answers plainly for an unknown job, and the log stream below just breaks.
            await job_status(client, job_id)
            seen = 0
            async for chunk in client.tail_job_logs(job_id):
                if lost_at is not None:
                    note("connected again")
                lost_at, backoff_s = None, 0.5
                new = chunk[max(0, written - seen) :]
                seen += len(chunk)
                if new:
                    write(new)
                    written += len(new)
            status = await job_status(client, job_id)
            if status in TERMINAL:
                # Reads what was written between the last read and the end.
                with contextlib.suppress(RuntimeError, OSError):
                    if rest := (await asyncio.to_thread(client.get_job_logs, job_id))[written:]:
                        write(rest)
                return status
            lost_at = None
        except Exception as error:
            if not is_connection_error(error):
                raise
            if lost_at is None:
                lost_at = time.monotonic()
                note(f"connection lost ({type(error).__name__}); the job goes on, connecting again")
            if time.monotonic() - lost_at > patience_s:
                raise RemoteError(
                    f"the cluster is gone for {patience_s:.0f} s; the job may go on: proofmill logs {job_id}"
                )
        await sleep(backoff_s)
        backoff_s = min(2 * backoff_s, MAX_BACKOFF_S)


async def job_status(client: LogSource, job_id: str) -> str:
    try:
        status = await asyncio.to_thread(client.get_job_status, job_id)
    except RuntimeError as error:
        if "does not exist" in str(error):
            raise RemoteError(f"no job {job_id} on this cluster; `proofmill jobs` lists them") from error
        raise
    return str(getattr(status, "value", status))


def is_connection_error(error: Exception) -> bool:
    import aiohttp
    import requests

    # Ray's client wraps an aborted websocket and every answer but 200 (a head that restarts) in RuntimeError.
    kinds = (OSError, RuntimeError, asyncio.TimeoutError, aiohttp.ClientError, requests.exceptions.RequestException)
    return isinstance(error, kinds)
