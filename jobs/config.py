"""The run configuration: a TOML file, checked in full before anything starts.

Promises: every unknown key, wrong type and value out of range is reported at once, each with file, key, what was wrong
and what would be right; `resolved` gives back every value that was used, so that `run.json` reproduces the run.
Does not: look at models, problem files or the cluster (cluster.plan and jobs.problems do).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic

from verifiers.kinds import KINDS
from verifiers.registry import UnknownNameError
from verifiers.types import Json

Positive = Annotated[int, pydantic.Field(gt=0)]
NotNegative = Annotated[int, pydantic.Field(ge=0)]
PositiveFloat = Annotated[float, pydantic.Field(gt=0)]


def _known_kind(name: str) -> str:
    try:
        KINDS.row(name)
    except UnknownNameError as error:
        raise ValueError(str(error)) from None
    return name


KindName = Annotated[
    str,
    pydantic.AfterValidator(_known_kind),
    pydantic.Field(json_schema_extra=lambda schema: schema.update(enum=list(KINDS))),
]
"""A name in the table of kinds."""


class ConfigError(Exception):
    """A configuration that can not be used; the text is for the user. Exit code 2."""


Checked = TypeVar("Checked", bound=pydantic.BaseModel)


class Section(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Run(Section):
    id: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    """Names the folder under `<output.uri>/runs/`. The same id again resumes the run."""
    seed: NotNegative = 0


class Output(Section):
    uri: str = "out"
    """A local folder or `s3://bucket/prefix`; any S3-compatible endpoint by AWS_ENDPOINT_URL."""
    part_rows: Positive = 20_000
    part_mb: Positive = 64
    flush_s: PositiveFloat = 20.0
    """A finished sample is durable at most about this long after its verdict."""
    lease_s: PositiveFloat = 30.0
    """A run whose owner has not been heard of for this long may be taken over."""


class Problems(Section):
    files: Annotated[list[str], pydantic.Field(min_length=1)]
    """Paths, globs or s3:// URIs of JSONL(.gz), CSV or Parquet files."""
    layout: str = "auto"
    """auto, canonical, gsm8k, math, humaneval, mbpp, livecodebench, gpqa, minif2f, verl, openai, columns."""
    columns: dict[str, str] = {}
    """Canonical field → column of the file, for layout `columns`."""
    kind: KindName | Literal[""] = ""
    """Kind of the problems where the layout does not say."""
    limit: NotNegative = 0
    """Only the first so many problems; 0 = all."""
    skip_bad: bool = False


class Model(Section):
    path: str
    """A local Hugging Face directory or a hub id."""
    revision: str = ""
    dtype: str = "auto"
    max_model_len: NotNegative = 0
    """Context in tokens; 0 = the model's own."""
    tensor_parallel_size: Positive = 1
    gpu_memory_utilization: Annotated[float, pydantic.Field(gt=0, le=1)] = 0.90
    cpu_kv_cache_gb: Positive = 1
    """Size of the KV cache on a machine without GPUs, in whole GiB (vLLM takes no fractions)."""
    max_num_seqs: Positive = 256
    """Samples that one replica runs at once."""
    quantization: str = ""
    trust_remote_code: bool = False
    engine_args: dict[str, Json] = {}
    """Further arguments of vLLM's AsyncEngineArgs, as they are."""

    @pydantic.field_validator("engine_args")
    @classmethod
    def _further_ones_only(cls, arguments: dict[str, Json]) -> dict[str, Json]:
        """What the plan and the room for samples are computed from is told in one place."""
        for name in arguments:
            key = "path" if name == "model" else name
            if key in cls.model_fields and key != "engine_args":
                raise ValueError(f"{name} has a key of its own, model.{key}")
        if arguments.get("pipeline_parallel_size", 1) != 1:
            raise ValueError("pipeline_parallel_size is not planned for; set model.tensor_parallel_size")
        return arguments


class Prompt(Section):
    system: str = ""
    suffix: str = ""
    """Appended to every problem's prompt."""
    suffix_by_kind: dict[KindName, str] = {}
    """Overrides `suffix` for a kind."""


class Repair(Section):
    rounds: NotNegative = 0
    """Follow-up turns with the checker's evidence for an unverified attempt."""
    kinds: list[KindName] = ["code", "lean"]
    evidence_chars: Positive = 2000


class Sampling(Section):
    policy: Literal["fixed", "until_verified", "adaptive"] = "fixed"
    num_samples: Positive = 8
    """fixed: samples a problem. until_verified and adaptive: at most so many."""
    wave: Positive = 4
    """until_verified: samples asked for at a time."""
    num_verified: Positive = 1
    """until_verified and adaptive: verified solutions that settle a problem."""
    distinct: bool = False
    """Count verified solutions with different normalised texts only."""
    estimates: Literal["unbiased", "fast"] = "unbiased"
    """unbiased: only samples above the settling index are aborted: pass@k has an unbiased estimate. fast: any."""
    temperature: Annotated[float, pydantic.Field(ge=0, le=10)] = 1.0
    top_p: Annotated[float, pydantic.Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, pydantic.Field(ge=-1)] = -1
    min_p: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.0
    max_tokens: Positive = 1024
    stop: list[Annotated[str, pydantic.Field(min_length=1)]] = []
    shuffle_choices: bool = False
    """Shuffle a multiple-choice item's options per sample with a recorded seed."""
    repair: Repair = Repair()


class Budget(Section):
    """Hard ceilings of the whole run; 0 = none."""

    tokens: NotNegative = 0
    gpu_s: Annotated[float, pydantic.Field(ge=0)] = 0
    usd: Annotated[float, pydantic.Field(ge=0)] = 0
    wall_s: Annotated[float, pydantic.Field(ge=0)] = 0


class KindLimits(Section):
    """Bounds of one check of this kind; left out = the checker's own defaults."""

    wall_s: PositiveFloat | None = None
    cpu_s: PositiveFloat | None = None
    memory_mb: Positive | None = None
    output_kb: Positive | None = None


class Verify(Section):
    actors: Positive = 1
    """Verifier actors."""
    workers_per_actor: Positive = 2
    """Checks an actor runs side by side, of each kind."""
    attempts: Positive = 3
    """Workers that try a sample before it is written with status `error`."""
    limits: dict[KindName, KindLimits] = {}
    math: dict[str, Json] = {}
    choice: dict[str, Json] = {}
    code: dict[str, Json] = {}
    lean: dict[str, Json] = {}
    of_plugins: dict[KindName, dict[str, Json]] = {}
    """Settings of the checkers of other kinds; written `[verify.<kind>]` like those above."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _of_plugins(cls, table: Any) -> Any:
        if not isinstance(table, dict):
            return table
        further = {key: table[key] for key in table if key not in cls.model_fields and key in KINDS}
        rest = {key: value for key, value in table.items() if key not in further}
        return {**rest, "of_plugins": {**table.get("of_plugins", {}), **further}} if further else rest

    def tables(self) -> dict[str, dict[str, Json]]:
        """`[verify.<kind>]` by kind."""
        built_in = {kind: dict(getattr(self, kind)) for kind in ("math", "choice", "code", "lean")}
        return {**built_in, **{kind: dict(table) for kind, table in self.of_plugins.items()}}


class Resources(Section):
    replicas: Positive = 1
    """Engines; each takes `model.tensor_parallel_size` GPUs where the cluster has GPUs."""
    cpus_per_replica: Annotated[float, pydantic.Field(ge=0)] = 1.0
    cpus_per_verifier: Annotated[float, pydantic.Field(ge=0)] = 0.5
    writers: Positive = 1
    max_restarts: NotNegative = 5
    """Restarts of one replica before the run gives up, with back-off between them."""
    device: Literal["auto", "cpu", "gpu"] = "auto"


class Ray(Section):
    address: str = ""
    """Empty: a local Ray of our own. `auto` or an address: join that cluster."""
    num_cpus: NotNegative = 0
    """CPUs of the local Ray; 0 = those of the machine."""
    runtime_env: dict[str, Json] = {}


class Cost(Section):
    usd_per_gpu_hour: Annotated[float, pydantic.Field(ge=0)] = 0.0
    usd_per_cpu_hour: Annotated[float, pydantic.Field(ge=0)] = 0.0


class SolveConfig(Section):
    run: Run
    problems: Problems
    model: Model
    output: Output = Output()
    prompt: Prompt = Prompt()
    sampling: Sampling = Sampling()
    budget: Budget = Budget()
    verify: Verify = Verify()
    resources: Resources = Resources()
    ray: Ray = Ray()
    cost: Cost = Cost()

    def resolved(self) -> dict[str, Json]:
        """Every value in use, defaults included, as plain JSON."""
        return self.model_dump(mode="json")


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> SolveConfig:
    """Reads a TOML config and applies `key.path=value` overrides. Raises ConfigError with a text for the user."""
    path = Path(path)
    return check_config(merge_overrides(read_toml(path), overrides), str(path))


def read_toml(path: Path) -> dict[str, Json]:
    """Raises ConfigError naming the file, and the line where the TOML is broken."""
    try:
        return tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; give the path of a TOML config, for instance configs/solve/demo.toml")
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; give the path of a TOML config")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; TOML files are UTF-8")
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}")


def merge_overrides(table: dict[str, Json], overrides: Iterable[str]) -> dict[str, Json]:
    """Applies `--set a.b=value` in order. Values are TOML (`3`, `0.5`, `true`, `["a"]`); anything else is a string."""
    for override in overrides:
        key, found, text = override.partition("=")
        if not found or not key.strip():
            raise ConfigError(f"--set {override}: expected key=value, for instance --set sampling.num_samples=16")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        node = table
        *parents, leaf = key.strip().split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ConfigError(f"--set {override}: {parent} is a value, not a section")
        node[leaf] = value
    return table


def check_config(table: Mapping[str, Json], where: str) -> SolveConfig:
    """Raises ConfigError listing every fault, one a line: file, key, what was wrong, what would be right."""
    return validate(SolveConfig, table, where)


def validate(model: type[Checked], table: Mapping[str, Json], where: str) -> Checked:
    """A table as `model`. Raises ConfigError listing every fault, one a line; `where` names the file."""
    try:
        return model.model_validate(table)
    except pydantic.ValidationError as error:
        raise ConfigError("\n".join(f"{where}: {explain(fault, model)}" for fault in error.errors()))


def explain(fault: Mapping[str, Json], model: type[pydantic.BaseModel]) -> str:
    """One line of a pydantic fault in the terms of the config file."""
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        section: Any = model
        for part in fault["loc"][:-1]:
            field = section.model_fields.get(part) if hasattr(section, "model_fields") else None
            section = field.annotation if field else None
        known = ", ".join(getattr(section, "model_fields", {}))
        return f"{key}: unknown key" + (f"; known here: {known}" if known else "")
    if fault["type"] == "missing":
        return f"{key}: missing"
    return f"{key}: {fault['msg']}, got {fault['input']!r}"


def parse_settings(settings: Iterable[str]) -> dict[str, dict[str, Json]]:
    """`kind.key=value` → {kind: {key: value}}. Raises ConfigError."""
    table = merge_overrides({}, settings)
    for kind in table:
        if kind not in KINDS:
            raise ConfigError(f"--set {kind}.…: no such kind; known: {', '.join(KINDS)}")
    return table
