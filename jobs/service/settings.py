"""The service's configuration (TOML), checked in full before anything starts, like a run's (jobs.config)."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import pydantic

from jobs.config import (
    ConfigError,
    ConfigFile,
    NotNegative,
    Positive,
    PositiveFloat,
    Ray,
    Section,
    Verify,
    merge_overrides,
    read_toml,
    validate,
)
from verifiers.types import Json


class Server(Section):
    host: str = "127.0.0.1"
    port: Annotated[int, pydantic.Field(ge=1, le=65535)] = 8000
    gateways: Positive = 1
    """Replicas of the HTTP side. Each counts rates for itself, so the configured rates are divided by this number."""
    max_body_mb: Positive = 64
    """Larger requests get 413 before they are read to the end."""
    max_items: Positive = 10_000
    """Largest number of items of one /v1/verify request."""
    max_pending_items: Positive = 20_000
    """Items accepted and not yet answered, over all requests; beyond it 429."""
    max_pending_body_mb: Positive = 512
    """Total size of the bodies of requests being answered; beyond it 429."""
    header_timeout_s: PositiveFloat = 10.0
    """A connection whose request has not come as far as the end of its headers by then is closed."""
    body_timeout_s: PositiveFloat = 30.0
    """A body of which nothing comes for so long, or less than 64 KiB per second in the long run, gets 408."""
    drain_s: Annotated[float, pydantic.Field(ge=0)] = 30.0
    """Seconds that requests under way have to end when the service is stopped. After that they get 503."""


class Token(Section):
    """A client. Make one with `proofmill serve --new-token NAME`; the token itself is stored nowhere."""

    name: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")]
    """The owner of what the client makes. Several tokens may have one name: then they are one client, and one of them
    can be replaced while the other is in use."""
    sha256: Annotated[str, pydantic.Field(pattern=r"^[0-9a-f]{64}$")]
    expires: pydantic.AwareDatetime | None = None
    """The token is refused from this time on, for instance 2027-01-31T00:00:00Z; left out = never."""
    requests_per_s: PositiveFloat = 50.0
    items_per_s: PositiveFloat = 5_000.0


class Caps(Section):
    """The largest limits that a client may ask for."""

    wall_s: PositiveFloat = 300.0
    cpu_s: PositiveFloat = 300.0
    memory_mb: Positive = 8192
    output_kb: Positive = 16_384


class KnownProblems(Section):
    """Sets whose problems clients may name by id."""

    files: list[str] = pydantic.Field(default_factory=list)
    layout: str = "auto"


class Solve(Section):
    """Leave `config` out for a service that only verifies."""

    config: str = ""
    """A `proofmill solve` config: its model, prompt, sampling, resources and cost are those of /v1/solve."""
    overrides: list[str] = pydantic.Field(default_factory=list)
    max_samples: Positive = 64
    """Largest number of samples of one request."""
    max_running: Positive = 256
    """Samples drawn at the same time, over all requests; beyond it 429."""
    max_tokens: NotNegative = 0
    """Longest answer that a chat may ask for, in tokens; 0 = `sampling.max_tokens` of the config."""
    timeout_s: PositiveFloat = 600.0


class Resources(Section):
    """CPUs and other Ray resources of one replica."""

    cpus_per_verifier: Annotated[float, pydantic.Field(ge=0)] = 0.5
    cpus_per_gateway: Annotated[float, pydantic.Field(ge=0)] = 0.25
    verifier: dict[str, float] = pydantic.Field(default_factory=dict)


class Runs(Section):
    """Batch runs by API. Leave `output_uri` out to switch them off."""

    output_uri: str = ""
    roots: list[str] = pydantic.Field(default_factory=list)
    """Folders and s3:// prefixes under which a client may name problem files and models; nothing else is opened."""
    max_running: Positive = 1
    max_inline_problems: Positive = 10_000
    template: dict[str, Json] = pydantic.Field(default_factory=dict)
    """Values of a run's config that clients do not choose (resources, ray, budget) and cannot override."""


class ServiceConfig(ConfigFile):
    server: Server = Server()
    tokens: list[Token] = pydantic.Field(default_factory=list)
    tokens_file: str = ""
    """A TOML file with further `[[tokens]]`, which is read again when it changes. It must lie on every node that has a
    gateway."""
    verify: Verify = Verify()
    caps: Caps = Caps()
    problems: KnownProblems = KnownProblems()
    solve: Solve = Solve()
    runs: Runs = Runs()
    resources: Resources = Resources()
    ray: Ray = Ray()


def load_service_config(path: str | Path, overrides: Iterable[str] = ()) -> ServiceConfig:
    """Raises ConfigError with a text for the user."""
    return check_service_config(merge_overrides(read_toml(Path(path)), overrides), str(path))


def check_service_config(table: Mapping[str, Json], where: str) -> ServiceConfig:
    config = validate(ServiceConfig, table, where)
    tokens = check_tokens(config.tokens, where)
    if config.tokens_file:
        config = config.model_copy(update={"tokens_file": str(Path(config.tokens_file).absolute())})
        check_tokens([*tokens, *read_tokens(config.tokens_file)], where)
    if not config.tokens and not config.tokens_file and not is_loopback(config.server.host):
        raise ConfigError(
            f"{where}: server.host {config.server.host} can be reached from other machines, and no [[tokens]] are set; "
            "make one with `proofmill serve --new-token NAME`, or listen on 127.0.0.1"
        )
    return config


class TokensFile(Section):
    """What `tokens_file` holds."""

    tokens: list[Token] = pydantic.Field(default_factory=list)


def read_tokens(path: str) -> list[Token]:
    """Raises ConfigError."""
    return validate(TokensFile, read_toml(Path(path)), path).tokens


def check_tokens(tokens: Sequence[Token], where: str) -> Sequence[Token]:
    """The tokens themselves. Raises ConfigError for those that cannot be told apart."""
    rates: dict[str, tuple[float, float]] = {}
    for token in tokens:
        own = (token.requests_per_s, token.items_per_s)
        if rates.setdefault(token.name, own) != own:
            raise ConfigError(f"{where}: tokens: the tokens named {token.name} are one client and need the same rates")
    for name in rates:
        if inside := next((other for other in rates if other.startswith(f"{name}.")), None):
            # Runs are named <token>.<run id>: `a` could take the ids of `a.b`.
            raise ConfigError(f"{where}: tokens: {inside} begins with {name} and a dot; choose another name")
    if len({token.sha256 for token in tokens}) < len(tokens):
        raise ConfigError(f"{where}: tokens: the same token stands there twice; make each with --new-token")
    return tokens


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def new_token(name: str) -> tuple[str, str]:
    """A fresh token and the config lines that admit it."""
    token = "pm_" + secrets.token_urlsafe(32)
    Token(name=name, sha256=token_digest(token))  # raises pydantic.ValidationError for a bad name
    return token, f'[[tokens]]\nname = "{name}"\nsha256 = "{token_digest(token)}"\n'


def token_digest(token: str) -> str:
    # One round is enough: tokens have 256 random bits, there is nothing to guess.
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
