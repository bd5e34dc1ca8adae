"""Which environment variables a run on a cluster needs, and what each kind of its workers is handed of them.

Promises: a variable goes to a worker only if the worker's kind reads it. Coordinator and writers get the keys of the
object storage; generators get these, the hub's token and what the tables of the model name; verifiers, beside which
candidates run, get the storage keys for their logs and what the `[verify]` tables name. A variable is named by a key
that ends in `_env` (`url_env`, `api_key_env`), or by `ray.pass_env`, which all workers get. Only names stand in
configs, records and messages.
Does not: hand over what belongs to one machine (profiles, files, roles and the addresses that renew a role's keys).
Workers on a local Ray inherit the environment, and nothing is handed over; the verifiers there keep what the tables of
the models name from the checkers' child processes (VerifierSettings.withheld).
Fails: with ConfigError naming the key and the variable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jobs.config import ConfigError, SolveConfig
from workers.run_secrets import NO_SECRETS, RunSecrets, Secrets

HUB_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Tokens that a generator needs for a gated model."""

MACHINE_BOUND = (
    *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_CA_BUNDLE"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_EXECUTION_ENV"),
)
"""Variables that name files or roles of this machine, which the cluster's nodes do not have."""

MACHINE_BOUND_PREFIXES = ("AWS_CONTAINER_", "AWS_LAMBDA_", "AWS_EC2_METADATA_")
"""Beginnings of names of such variables: where this machine fetches the keys of its own role."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

TOO_LATE = ("LD_", "PYTHON", "RAY_", "MALLOC_", "GLIBC_", "OMP_", "CUDA_", "NVIDIA_")
"""Beginnings of names of variables that are read before a process can be handed anything."""


def storage_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The keys, region and endpoint of the object storage, as this shell has them."""
    return {
        name: value
        for name, value in environ.items()
        if name.startswith("AWS_") and name not in MACHINE_BOUND and not name.startswith(MACHINE_BOUND_PREFIXES)
    }


def named_variables(table: Any) -> Iterator[str]:
    """Names that a table and its tables give under keys that end in `_env`; a list names several."""
    if isinstance(table, Mapping):
        for key, value in table.items():
            if isinstance(key, str) and key.endswith("_env") and key != "runtime_env":
                names = value if isinstance(value, list | tuple) else [value]
                yield from (name for name in names if isinstance(name, str) and NAME.fullmatch(name))
            yield from named_variables(value)
    elif isinstance(table, list | tuple):
        for value in table:
            yield from named_variables(value)


def temporary_keys(variables: Mapping[str, str]) -> list[str]:
    """A note on keys that end before a long run does; empty where there are none."""
    if "AWS_SESSION_TOKEN" not in variables:
        return []
    return [
        "note: AWS_SESSION_TOKEN makes these keys temporary, and a run cannot renew them; for long runs give the nodes "
        "an instance role, and leave AWS_* unset here"
    ]


def check_passed(names: Iterable[str], environ: Mapping[str, str], where: str) -> None:
    """Raises ConfigError for a name that cannot be handed over; `where` is the key or the flag that has it."""
    for name in names:
        if "=" in name:
            raise ConfigError(
                f"{where} {name.partition('=')[0]}=…: every user of this machine can read a command line; "
                "set the variable in your environment and name it only"
            )
        if not NAME.fullmatch(name):
            raise ConfigError(f"{where}: expected the name of an environment variable")
        if name.startswith(TOO_LATE):
            raise ConfigError(
                f"{where}: {name} is read before a process can be handed anything; where it is no secret, put it into "
                "ray.runtime_env.env_vars, else set it on the cluster's nodes"
            )
        if name not in environ:
            raise ConfigError(
                f"{where}: {name} is not set in this environment; export it, or leave it out where the cluster's nodes "
                "have it of their own"
            )


def variables_of_models(config: SolveConfig) -> list[str]:
    """Names of the variables that the tables of the models name."""
    tables = [table.model_dump() for pool in config.pools().values() for table in (pool.model, pool.sampling)]
    return list(named_variables(tables))


def run_secrets(config: SolveConfig, environ: Mapping[str, str]) -> RunSecrets:
    """What the workers of a run are handed. Raises ConfigError."""
    if not config.ray.address:
        return NO_SECRETS
    check_passed(config.ray.pass_env, environ, "ray.pass_env")
    storage = storage_variables(environ)
    everyone = {name: environ[name] for name in config.ray.pass_env}
    model = (*HUB_VARIABLES, *variables_of_models(config))
    verify = tuple(named_variables(config.verify.tables()))
    try:
        return RunSecrets(
            storage=Secrets(storage | everyone),
            generator=Secrets(storage | everyone | {name: environ[name] for name in model if name in environ}),
            verifier=Secrets(storage | everyone | {name: environ[name] for name in verify if name in environ}),
        )
    except ValueError as error:
        raise ConfigError(f"ray.pass_env: {error}") from error
