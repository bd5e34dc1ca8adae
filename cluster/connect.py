"""Joining a Ray cluster, or starting a local one for the length of a `with` block."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ray

from verifiers import plugins

LOCAL_OBJECT_STORE_BYTES = 512 << 20
"""A local run keeps bundles of at most `max_pending_bytes` there."""

STORAGE_VARIABLES = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"),
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
)

EXCLUDES = [".git", ".venv", "out", "build", "tests", "docs", "benchmarks", "**/__pycache__", "**/.*_cache"]


class ClusterError(Exception):
    """Ray can not be reached or started; the text is for the user."""


@contextlib.contextmanager
def connect(
    address: str,
    num_cpus: int = 0,
    runtime_env: Mapping[str, Any] | None = None,
    code_travels: bool = True,
    num_gpus: int | None = None,
) -> Iterator[Mapping[str, float]]:
    """Connects this process to Ray and yields the cluster's resources. Raises ClusterError.

    Empty `address`: a Ray of our own on this machine, gone after the block (`num_cpus` 0, `num_gpus` None: what there
    is). Inside a Ray job (`RAY_JOB_*` is set) or
    with an address: that cluster; our code travels as a working_dir snapshot unless the job brought it already, or
    `code_travels` is false.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    inside_job = bool(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR"))
    environment = dict(runtime_env or {})
    arguments: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address:
        arguments["address"] = address
        if code_travels and not inside_job and "working_dir" not in environment:
            environment |= {
                "working_dir": str(Path(__file__).resolve().parents[1]),
                "excludes": [*EXCLUDES, *environment.get("excludes", [])],
            }
        if not inside_job:
            # The actors write to the object storage that this shell names; a job's own environment reaches them anyway.
            storage = {name: value for name, value in os.environ.items() if name in STORAGE_VARIABLES}
            environment["env_vars"] = {**storage, **environment.get("env_vars", {})}
        if names := os.environ.get(plugins.VARIABLE):
            environment["env_vars"] = {**environment.get("env_vars", {}), plugins.VARIABLE: names}
    else:
        arguments |= {
            "address": "local",
            "num_cpus": num_cpus or None,
            "num_gpus": num_gpus,
            "include_dashboard": False,
            "object_store_memory": LOCAL_OBJECT_STORE_BYTES,
        }
    if environment:
        arguments["runtime_env"] = environment
    try:
        ray.init(**arguments)
    except Exception as error:  # a plain Exception where a node is not up within Ray's 30 s, as on a busy machine
        what = f"no Ray cluster answers at {address}" if address else "a local Ray could not be started"
        raise ClusterError(f"{what}: {error}") from error
    try:
        yield ray.cluster_resources()
    finally:
        ray.shutdown()
