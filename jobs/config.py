"""The run configuration: a TOML file, checked in full before anything starts.

Promises: every unknown key, wrong type and value out of range is reported at once, each with file, key, what was wrong
and what would be right; `resolved` gives back every value that was used, so that `run.json` reproduces the run.
Does not: look at models, problem files or the cluster (cluster.plan and jobs.problems do).
"""

from __future__ import annotations

import difflib
import tomllib
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic

from jobs.layers import COMMAND_LINE, FILE, Layer, merge_layers
from jobs.presets import PresetError, check_remote_code, load_preset, preset_of
from jobs.variants import Variant, wrong_with
from verifiers import plugins as plugin_modules
from verifiers.kinds import KINDS
from verifiers.plugins import PluginError
from verifiers.registry import UnknownNameError
from verifiers.types import Json
from workers.engines.base import ModelSettings, SamplingOverrides, SamplingParameters
from workers.engines.registry import ENGINES, engine_class
from workers.rollouts.registry import check_first_rollout
from workers.sampling.policy import WaveSettings
from workers.sampling.registry import POLICIES, policy_class

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
    """A configuration that cannot be used; the text is for the user. Exit code 2."""


Checked = TypeVar("Checked", bound=pydantic.BaseModel)


class Section(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ConfigFile(Section):
    """A whole config. Its plugins are loaded before its other keys are read, since those keys may name what a plugin
    adds."""

    plugins: list[str] = []
    """Modules that add kinds, policies, engines, rollouts or export formats (docs/extending.md)."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _load_plugins(cls, table: Any) -> Any:
        if isinstance(table, dict):
            plugin_modules.use(plugin_names(table))
        return table


def plugin_names(table: Mapping[str, Json]) -> list[str]:
    """The config's `plugins`. Empty where the key is not a list of names; that fault is reported with the others."""
    names = table.get("plugins", [])
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []


class Run(Section):
    """Which run this is."""

    id: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    """Names the folder under `<output.uri>/runs/`. The same id again resumes the run."""
    seed: NotNegative = 0
    """Seed of the run. The seed of each sample follows from it, the problem's id and the sample's index."""


class Output(Section):
    """Where the rows go, and how soon they are durable."""

    uri: str = "out"
    """A local folder or `s3://bucket/prefix`; any S3-compatible endpoint by AWS_ENDPOINT_URL."""
    part_rows: Positive = 20_000
    """Most rows of a Parquet part."""
    part_mb: Positive = 64
    """Largest size of a Parquet part, in MB before compression."""
    flush_s: PositiveFloat = 20.0
    """A finished sample is durable at most about this long after its verdict."""
    tokens: Literal["none", "ids", "ids+logprobs"] = "none"
    """Store the tokens of each sample in tokens/, for training that must not tokenise again. ids: of the prompt and of
    what the model wrote. ids+logprobs: with the log-probability of each token, which implies `sampling.logprobs`."""
    lease_s: PositiveFloat = 30.0
    """A run whose owner has not been heard of for this long may be taken over."""


class Problems(Section):
    """Which problems are solved."""

    files: Annotated[list[str], pydantic.Field(min_length=1)]
    """Paths, globs or s3:// URIs of JSONL(.gz), CSV or Parquet files."""
    layout: str = "auto"
    """auto, canonical, gsm8k, math, humaneval, mbpp, livecodebench, gpqa, minif2f, lean_file, verl, openai,
    columns."""
    columns: dict[str, str] = {}
    """Canonical field → column of the file, for layout `columns`."""
    kind: KindName | Literal[""] = ""
    """Kind of the problems where the layout does not say."""
    limit: NotNegative = 0
    """Use only this many problems, from the first on; 0 = all."""
    skip_bad: bool = False
    """Leave out problems that cannot be read, and record them, instead of stopping at the first."""


def _path_or_preset(schema: dict[str, Json]) -> None:
    """In the JSON schema: a preset gives a path."""
    schema["required"] = [key for key in schema.get("required", []) if key != "path"]
    schema["anyOf"] = [{"required": ["path"]}, {"required": ["preset"]}]


LORA_ARGUMENTS = frozenset({"enable_lora", "max_loras", "max_lora_rank", "max_cpu_loras", "lora_dtype"})
"""Arguments of vLLM that only an adapter makes use of."""


class Model(ModelSettings, Section):
    """Which model, in which engine, and what the engine is told."""

    model_config = pydantic.ConfigDict(json_schema_extra=_path_or_preset)

    preset: str = ""
    """Name of a preset (docs/models.md): what is published of a model. Its values lie below those of this file."""

    @pydantic.field_validator("engine")
    @classmethod
    def _a_known_engine(cls, name: str) -> str:
        ENGINES.row(name)
        return name

    @pydantic.field_validator("engine_args")
    @classmethod
    def _arguments_of_the_engine(cls, arguments: dict[str, Json], info: pydantic.ValidationInfo) -> dict[str, Json]:
        if "engine" in info.data:  # else a fault of `engine` is reported already
            engine_class(info.data["engine"]).Arguments.model_validate(arguments)
        return arguments

    @pydantic.model_validator(mode="after")
    def _room_for_an_adapter(self) -> Model:
        further = sorted(name for name in self.engine_args if name in LORA_ARGUMENTS)
        if further and not self.lora:
            raise ValueError(
                f"engine_args.{further[0]} has no effect without an adapter: set lora to the adapter's folder, which "
                "also keeps room for it"
            )
        return self

    def of_engine(self) -> dict[str, Json]:
        """The keys that an engine gets."""
        return {name: value for name, value in self.model_dump().items() if name in ModelSettings.model_fields}


class Prompt(Section):
    """What is put around a problem's text."""

    system: str = ""
    """System message before every problem; empty = none."""
    suffix: str = ""
    """Appended to every problem's prompt."""
    suffix_by_kind: dict[KindName, str] = {}
    """Overrides `suffix` for a kind."""
    examples: str = ""
    """A JSONL, CSV or Parquet file of solved problems, shown as turns before each problem. A line is
    {"prompt": "…", "answer": "…"}, with `kind` where one is only for problems of that kind. Empty = none."""


class Repair(Section):
    """Follow-up turns after an attempt that was not verified."""

    rounds: NotNegative = 0
    """Follow-up turns with the checker's evidence for an unverified attempt."""
    kinds: list[KindName] = ["code", "lean"]
    """Kinds of problems whose unverified attempts get follow-up turns."""
    evidence_chars: Positive = 2000
    """Longest piece of the checker's evidence that is shown to the model, in characters."""


class Sampling(SamplingParameters, WaveSettings, Section):
    """How many samples, and how they are drawn. Keys that the policy does not use are allowed and not read, so that
    `--set sampling.policy=fixed` is enough to compare two policies."""

    policy_args: dict[str, Json] = {}
    """Further settings of the policy, for one that has keys of its own."""
    rollout: str = "single"
    """How the first attempt at a problem is drawn. single: one answer to the problem's messages. A plugin adds others;
    follow-up turns are `repair`, below."""
    shuffle_choices: bool = False
    """Shuffle a multiple-choice item's options per sample with a recorded seed."""
    by_kind: dict[KindName, SamplingOverrides] = {}
    """Other values for one kind of problems, as `[sampling.by_kind.math]`: temperature, top_p, top_k, min_p,
    presence_penalty, frequency_penalty, repetition_penalty, max_tokens, stop, stop_token_ids, thinking_tokens, loop."""
    repair: Repair = Repair()
    variants: list[Variant] = []
    """Several prompts and temperatures per problem, one `[[sampling.variants]]` each (docs/models.md). Empty: every
    sample is asked for in the same way."""

    @pydantic.field_validator("policy")
    @classmethod
    def _a_known_policy(cls, name: str) -> str:
        POLICIES.row(name)
        return name

    @pydantic.field_validator("rollout")
    @classmethod
    def _a_known_rollout(cls, name: str) -> str:
        check_first_rollout(name)
        return name

    @pydantic.field_validator("policy_args")
    @classmethod
    def _arguments_of_the_policy(cls, arguments: dict[str, Json], info: pydantic.ValidationInfo) -> dict[str, Json]:
        if arguments and "policy" in info.data:
            for name in arguments:
                if name in WaveSettings.model_fields:
                    raise ValueError(f"{name} has a key of its own, sampling.{name}")
            policy_class(info.data["policy"]).Settings.model_validate(arguments)
        return arguments

    def parameters(self) -> SamplingParameters:
        """The keys that an engine gets."""
        return SamplingParameters(**{name: getattr(self, name) for name in SamplingParameters.model_fields})

    def parameters_by_kind(self) -> dict[str, SamplingParameters]:
        """The keys that an engine gets for the problems of a kind, where they are not those of `parameters`."""
        common = self.parameters()
        return {str(kind): common.changed(overrides) for kind, overrides in self.by_kind.items()}

    def every_parameters(self) -> list[SamplingParameters]:
        """Those of all kinds."""
        return [self.parameters(), *self.parameters_by_kind().values()]


class Budget(Section):
    """Hard ceilings of the whole run; 0 = none."""

    tokens: NotNegative = 0
    """Generated tokens."""
    gpu_s: Annotated[float, pydantic.Field(ge=0)] = 0
    """Seconds of GPU time, all GPUs together."""
    usd: Annotated[float, pydantic.Field(ge=0)] = 0
    """US dollars, by the prices of `[cost]`."""
    wall_s: Annotated[float, pydantic.Field(ge=0)] = 0
    """Seconds since the run began, over all its starts."""


class KindLimits(Section):
    """Bounds of one check of this kind; left out = the checker's own defaults."""

    wall_s: PositiveFloat | None = None
    """Seconds by the clock."""
    cpu_s: PositiveFloat | None = None
    """Seconds of processor time."""
    memory_mb: Positive | None = None
    """Memory, in MB."""
    output_kb: Positive | None = None
    """Output that is read, in KB."""


class Verify(Section):
    """The checkers and the actors that run them."""

    actors: Positive = 1
    """Verifier actors."""
    workers_per_actor: Positive = 2
    """Checks of each kind that one actor runs side by side."""
    attempts: Positive = 3
    """Workers that try a sample before it is written with status `error`."""
    limits: dict[KindName, KindLimits] = {}
    """Bounds of one check, by kind of problem."""
    math: dict[str, Json] = {}
    """Settings of the math checker (docs/math_answers.md)."""
    choice: dict[str, Json] = {}
    """Settings of the multiple-choice checker (docs/choice_answers.md)."""
    code: dict[str, Json] = {}
    """Settings of the code checker (docs/code_problems.md)."""
    lean: dict[str, Json] = {}
    """Settings of the Lean checker (docs/lean.md)."""
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
    """What the run takes of the cluster."""

    replicas: Positive = 1
    """Engines; each takes `model.tensor_parallel_size` GPUs where the cluster has GPUs."""
    cpus_per_replica: Annotated[float, pydantic.Field(ge=0)] = 1.0
    """CPUs that Ray sets aside for each engine."""
    cpus_per_verifier: Annotated[float, pydantic.Field(ge=0)] = 0.5
    """CPUs that Ray sets aside for each verifier actor."""
    writers: Positive = 1
    """Writer actors."""
    max_restarts: NotNegative = 5
    """Restarts of one worker in a row, with back-off between them. After that a replica is given up and the run goes on
    with the others; a verifier or a writer ends the run."""
    min_replicas: NotNegative = 0
    """The run ends when fewer replicas than this are left; 0 = half of `replicas`."""
    stall_s: PositiveFloat = 300.0
    """Seconds without a sign of life after which a worker is taken for hung and ended. For an engine it is a time
    without any step while samples run, and at least 20 times its longest step."""
    start_s: PositiveFloat = 1800.0
    """Seconds that an engine may take to start, once Ray has placed it."""
    gpu_gib: Annotated[float, pydantic.Field(ge=0)] = 0.0
    """Memory of one GPU in GiB, for planning; 0 = what the node says."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where the engines run; auto = on GPUs where the cluster has any."""


SECRET_PARTS = frozenset({"SECRET", "TOKEN", "PASSWORD", "PASSWD", "PASS", "KEY", "CREDENTIAL", "CREDENTIALS"})
"""Words in the names of variables that hold secrets."""

VariableName = Annotated[str, pydantic.Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""Name of an environment variable."""


class Ray(Section):
    """The Ray that the run uses."""

    address: str = ""
    """Empty: a local Ray of our own. `auto` or an address: join that cluster."""
    num_cpus: NotNegative = 0
    """CPUs of the local Ray; 0 = those of the machine."""
    pass_env: list[VariableName] = []
    """Names of environment variables whose values every worker of a cluster gets, and no log shows. The storage's keys,
    HF_TOKEN, and what a key ending in `_env` names go by themselves."""
    runtime_env: dict[str, Json] = {}
    """Ray's runtime environment for the run's actors, as it is. Ray writes it into logs and command lines."""

    @pydantic.field_validator("runtime_env")
    @classmethod
    def _no_secrets(cls, table: dict[str, Json]) -> dict[str, Json]:
        variables = table.get("env_vars")
        for name in variables if isinstance(variables, dict) else ():
            if SECRET_PARTS & set(str(name).upper().split("_")):
                raise ValueError(
                    f"env_vars.{name} looks like a secret, and Ray writes a runtime environment into its logs; "
                    f"export {name} and name it in ray.pass_env"
                )
        return table


class Cost(Section):
    """Prices, from which costs are computed."""

    usd_per_gpu_hour: Annotated[float, pydantic.Field(ge=0)] = 0.0
    """Price of one GPU for one hour; 0 = unknown, and no cost is shown."""
    usd_per_cpu_hour: Annotated[float, pydantic.Field(ge=0)] = 0.0
    """Price of one CPU for one hour, for runs without GPUs; 0 = unknown."""


class Notify(Section):
    """A receiver of one JSON line per event, with run id, URI, event and figures. A post that fails is logged and fails
    nothing."""

    url_env: VariableName
    """Name of the environment variable that holds the URL to post to. The URL itself is a secret and stands in no
    config."""
    on: Annotated[list[Literal["done", "failed", "regression", "stalled"]], pydantic.Field(min_length=1)] = [
        "done",
        "failed",
        "regression",
        "stalled",
    ]
    """Events that are posted. done: the run is complete, or stopped at its budget. failed: it cannot go on. regression:
    a night found one; a single run posts none. stalled: samples are in flight and none has advanced for `stalled_s`."""
    stalled_s: PositiveFloat = 900.0
    """Seconds without a finished sample after which a run counts as stalled; more than the longest sample takes."""


class SolveConfig(ConfigFile):
    """A whole run. Unknown keys are refused."""

    notify: list[Notify] = []
    """Receivers of what becomes of the run, one `[[notify]]` each."""

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
    _origins: dict[str, str] = pydantic.PrivateAttr(default_factory=dict)

    def resolved(self) -> dict[str, Json]:
        """Every value in use, defaults included, as plain JSON."""
        return self.model_dump(mode="json")

    def __eq__(self, other: object) -> bool:
        """Configs are equal where their values are, wherever each value came from."""
        return isinstance(other, SolveConfig) and dict(self) == dict(other)

    __hash__ = None  # type: ignore[assignment]  # it holds lists and tables

    def with_origins(self, origins: Mapping[str, str]) -> SolveConfig:
        """The same config that knows of further keys which layer they came from (jobs.layers)."""
        config = self.model_copy()
        config._origins = {**self._origins, **origins}
        return config

    def origin(self, section: str, key: str) -> str:
        """The layer that gave `section.key` its value; empty for a default."""
        if found := self._origins.get(f"{section}.{key}"):
            return found
        inside = [name for known, name in self._origins.items() if known.startswith(f"{section}.{key}.")]
        return " and ".join(dict.fromkeys(inside))


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> SolveConfig:
    """Reads a TOML config and applies `key.path=value` overrides. Raises ConfigError with a text for the user."""
    path = Path(path)
    overrides = list(overrides)
    table = merge_overrides(read_toml(path), overrides)
    _, given = merge_layers([Layer(COMMAND_LINE, merge_overrides({}, overrides))])
    if "legs" in table and "model" not in table:
        raise ConfigError(
            f"{path}: this is a config of a nightly, not of one run: `proofmill nightly {path}` starts it"
        )
    return check_config(table, str(path)).with_origins(given)


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
                # The value is not repeated: it may be a secret that was put in the wrong place.
                raise ConfigError(f"--set {key.strip()}: {parent} is a value, not a section")
        node[leaf] = value
    return table


def check_config(table: Mapping[str, Json], where: str) -> SolveConfig:
    """The config that a table stands for, over the preset that it names. Raises ConfigError that lists every fault, one
    per line: file, key, what was wrong, what would be right."""
    try:
        preset = preset_of(table)
        below = [Layer(f"the preset {preset.name}", preset.values)] if preset else []
        merged, origins = merge_layers([*below, Layer(FILE, table)])
        config = validate(SolveConfig, merged, where).with_origins(origins)
        if config.model.preset:
            model = config.model
            check_remote_code(load_preset(model.preset), model.path, model.revision, model.trust_remote_code)
    except PresetError as error:
        raise ConfigError(f"{where}: model.preset: {error}") from None
    if wrong := wrong_with(config.sampling.variants, config.sampling.num_samples):
        raise ConfigError(f"{where}: sampling.variants: {wrong}")
    return config


def validate(model: type[Checked], table: Mapping[str, Json], where: str) -> Checked:
    """A table as `model`. Raises ConfigError that lists every fault, one per line; `where` names the file."""
    if issubclass(model, ConfigFile):
        try:
            plugin_modules.use(plugin_names(table))
        except PluginError as error:
            raise ConfigError(f"{where}: plugins: {error}") from None
    try:
        return model.model_validate(table)
    except pydantic.ValidationError as error:
        raise ConfigError("\n".join(f"{where}: {explain(fault, model)}" for fault in error.errors()))


def explain(fault: Mapping[str, Json], model: type[pydantic.BaseModel]) -> str:
    """A pydantic fault as one line, in the terms of the config file."""
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        known = list(getattr(settings_at(model, fault["loc"][:-1]), "model_fields", {}))
        near = difflib.get_close_matches(str(fault["loc"][-1]), known, 1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        return f"{key}: unknown key{meant}" + (f"; known here: {', '.join(known)}" if known else "")
    if fault["type"] == "missing":
        return f"{key}: missing"
    if fault["loc"][0] in WITHHELD or tuple(fault["loc"][:2]) in WITHHELD:
        return f"{key}: {fault['msg'].removeprefix('Value error, ')}"
    return f"{key}: {fault['msg'].removeprefix('Value error, ')}, got {fault['input']!r}"


def settings_at(model: type[pydantic.BaseModel], place: Iterable[str | int]) -> Any:
    """The settings model at a place of a config. Keys of a table and places in a list lead to their entries' model."""
    found: Any = model
    for part in place:
        if hasattr(found, "model_fields"):
            field = found.model_fields.get(part)
            found = field.annotation if field else None
        else:
            found = (typing.get_args(found) or (None,))[-1]
    return found


WITHHELD = frozenset({"notify", ("ray", "runtime_env"), ("ray", "pass_env")})
"""Keys whose values no error repeats: a URL or a key that was put there by mistake is a secret."""


def parse_settings(settings: Iterable[str]) -> dict[str, dict[str, Json]]:
    """`kind.key=value` → {kind: {key: value}}. Raises ConfigError."""
    table = merge_overrides({}, settings)
    for kind in table:
        if kind not in KINDS:
            raise ConfigError(f"--set {kind}.…: no such kind; known: {', '.join(KINDS)}")
    return table
