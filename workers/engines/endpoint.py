"""An OpenAI-compatible endpoint as a config names it: the keys of `[model]` that only the engine `openai` reads.

Promises: an address without a name and password in it, since a config is stored and shown; the key itself stands in an
environment variable, of which only the name is here.
Does not: talk to anything.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

import pydantic

REMOTE = "openai"
"""The engine that asks an endpoint."""
OF_THE_SERVER = (
    *("revision", "dtype", "tensor_parallel_size", "gpu_memory_utilization", "cpu_kv_cache_gb", "max_num_seqs"),
    *("quantization", "trust_remote_code", "completion", "lora"),
)
"""Keys of a model in process that mean nothing to an endpoint: its server decides them."""
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Positive = Annotated[int, pydantic.Field(gt=0)]
NotNegative = Annotated[int, pydantic.Field(ge=0)]
PositiveFloat = Annotated[float, pydantic.Field(gt=0)]


class EndpointKeys(pydantic.BaseModel):
    """Which endpoint is asked, and how much of it."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    base_url: Annotated[str, pydantic.Field(validate_default=True)] = ""
    """Address of an OpenAI-compatible endpoint, such as http://127.0.0.1:8000/v1. Only for `engine = "openai"`, like
    all keys from here to `allow_confidential` (docs/remote_engines.md)."""
    model: Annotated[str, pydantic.Field(validate_default=True)] = ""
    """The model's name at the endpoint."""
    api_key_env: str = ""
    """Name of the environment variable that holds the endpoint's key; empty: the endpoint wants none."""
    server: Literal["auto", "vllm", "sglang", "api"] = "auto"
    """What the endpoint is, which decides which sampling keys it takes; auto = as its list of models says, and api
    where that says nothing."""
    stream: bool = True
    """Have answers sent piece by piece. A stream survives gateways that cut silent connections, and tells how many
    tokens an aborted sample has cost; false spares a fast server some work."""
    max_concurrency: Positive = 64
    """Most requests that are open at once. Fewer are while the endpoint refuses some or becomes slow."""
    requests_per_minute: NotNegative = 0
    """Most requests in any minute, retries included; 0 = no cap."""
    tokens_per_minute: NotNegative = 0
    """Most tokens in any minute. A request counts with its prompt and its longest answer when it is sent, and what it
    did not use is given back when it ends; 0 = no cap."""
    timeout_s: PositiveFloat = 1800.0
    """Seconds without a byte of an answer after which a request is sent again."""
    lost_s: PositiveFloat = 300.0
    """Seconds without any sign of life after which the endpoint counts as lost; the run then ends and can be
    resumed."""
    allow_confidential: bool = False
    """Send problems of confidential sources (`problems.confidential`) to this endpoint. A loopback address needs no
    leave."""

    @pydantic.field_validator("base_url")
    @classmethod
    def _an_address(cls, url: str) -> str:
        if not url:
            return url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected the address of an endpoint, such as https://api.example.com/v1")
        if parts.username is not None or parts.password is not None:
            raise ValueError(
                "has a name or a password in it, and a config is stored; put the key into an environment variable and "
                "name that in api_key_env"
            )
        if parts.query or parts.fragment:
            raise ValueError("ends in a query or a fragment; give the address up to the version, as in …/v1")
        return url.rstrip("/")

    @pydantic.field_validator("api_key_env")
    @classmethod
    def _a_variable(cls, name: str) -> str:
        if name and not VARIABLE.fullmatch(name):
            raise ValueError("expected the name of an environment variable, not the key itself")
        return name

    @property
    def is_loopback(self) -> bool:
        """Whether the endpoint is on the machine that asks it."""
        return is_loopback(self.base_url)


def is_loopback(url: str) -> bool:
    """Whether an address is one of the machine itself. A name other than localhost may mean any machine.

    >>> is_loopback("http://127.0.0.1:8000/v1"), is_loopback("http://[::1]:8000"), is_loopback("http://localhost/v1")
    (True, True, True)
    >>> is_loopback("http://127.0.0.1.example.com/v1"), is_loopback("https://api.example.com"), is_loopback("")
    (False, False, False)
    """
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
