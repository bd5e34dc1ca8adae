"""The run configuration: a TOML file, checked in full before anything starts.

Promises: every unknown key, wrong type and value out of range is reported at once, each with file, key, what was wrong
and what would be right; `resolved` gives back every value that was used, so that `run.json` reproduces the run.
Does not: look at models, problem files or the cluster (cluster.plan and jobs.problems do).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import pydantic

from jobs.faults import told_faults
from jobs.layers import COMMAND_LINE, Layer, merge_layers
from jobs.pools import routing
from jobs.pools.checks import misplaced_override, pool_faults, table_faults
from jobs.pools.expand import expand_pools, origins_of, over_presets
from jobs.pools.routing import ONLY, RoutePlan
from jobs.pools.tables import Cascade, PoolName, Route
from jobs.problem_settings import Problems as Problems
from jobs.sampling_tables import Agreement, Repair, Selection, Variant, variant_faults
from jobs.sections import ConfigError as ConfigError
from jobs.sections import KindName as KindName
from jobs.sections import NotNegative as NotNegative
from jobs.sections import Positive as Positive
from jobs.sections import PositiveFloat as PositiveFloat
from jobs.sections import Section as Section
from jobs.toml_tables import merge_overrides as merge_overrides
from jobs.toml_tables import read_toml as read_toml
from verifiers import plugins as plugin_modules
from verifiers.kinds import KINDS
from verifiers.plugins import PluginError
from verifiers.types import Json
from workers.engines.base import ModelSettings, SamplingOverrides, SamplingParameters
from workers.engines.endpoint import OF_THE_SERVER, REMOTE, EndpointKeys
from workers.engines.registry import ENGINES, engine_class
from workers.rollouts.registry import check_first_rollout
from workers.sampling.policy import WaveSettings
from workers.sampling.registry import POLICIES, policy_class

Checked = TypeVar("Checked", bound=pydantic.BaseModel)


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


def _path_or_preset(schema: dict[str, Json]) -> None:
    """In the JSON schema: a preset gives a path."""
    schema["required"] = [key for key in schema.get("required", []) if key != "path"]
    schema["anyOf"] = [{"required": ["path"]}, {"required": ["preset"]}, {"required": ["base_url", "model"]}]


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

    @pydantic.field_validator(*EndpointKeys.model_fields)
    @classmethod
    def _only_for_an_endpoint(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        engine, name = info.data.get("engine", REMOTE), str(info.field_name)
        if engine != REMOTE and value != EndpointKeys.model_fields[name].default:
            raise ValueError(f'has an effect only with engine = "{REMOTE}"')
        if engine == REMOTE and name in ("base_url", "model") and not value:
            raise ValueError(f'missing: engine = "{REMOTE}" asks the endpoint at base_url for its model `model`')
        return value

    @pydantic.field_validator(*OF_THE_SERVER)
    @classmethod
    def _not_for_an_endpoint(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        if info.data.get("engine") == REMOTE and value != ModelSettings.model_fields[str(info.field_name)].default:
            raise ValueError(f'has no effect with engine = "{REMOTE}": the endpoint\'s server decides it')
        return value

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
    {"prompt": "…", "answer": "…"}, with `kind` where one is only for problems of that kind. Empty = none. A line of a
    confidential source (`problems.confidential`), by its `source`, its file's name or `confidential`, goes to a remote
    engine only with `model.allow_confidential`."""
    confidential: bool = False
    """These texts are confidential, the examples too: a remote engine needs `model.allow_confidential` for them."""


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


class PoolResources(Section):
    """What the replicas of one model take of the cluster."""

    replicas: Positive = 1
    """Engines; each takes `model.tensor_parallel_size` GPUs where the cluster has GPUs."""
    cpus_per_replica: Annotated[float, pydantic.Field(ge=0)] = 1.0
    """CPUs that Ray sets aside for each engine."""
    accelerator_type: str = ""
    """GPUs that the engines run on, by Ray's name of their type, such as H100 or L4; empty = any."""
    min_replicas: NotNegative = 0
    """The run ends when fewer replicas than this are left; 0 = half of `replicas`."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where the engines run; auto = on GPUs where the cluster has any."""


class Resources(PoolResources):
    """What the run takes of the cluster."""

    cpus_per_verifier: Annotated[float, pydantic.Field(ge=0)] = 0.5
    """CPUs that Ray sets aside for each verifier actor."""
    writers: Positive = 1
    """Writer actors."""
    max_restarts: NotNegative = 5
    """Restarts of one worker in a row, with back-off between them. After that a replica is given up and the run goes on
    with the others; a verifier or a writer ends the run."""
    stall_s: PositiveFloat = 300.0
    """Seconds without a sign of life after which a worker is taken for hung and ended. For an engine it is a time
    without any step while samples run, and at least 20 times its longest step."""
    start_s: PositiveFloat = 1800.0
    """Seconds that an engine may take to start, once Ray has placed it."""
    gpu_gib: Annotated[float, pydantic.Field(ge=0)] = 0.0
    """Memory of one GPU in GiB, for planning; 0 = what the node says."""


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
    usd_per_million_input_tokens: Annotated[float, pydantic.Field(ge=0)] = 0.0
    """Price of a million tokens of prompts at an endpoint; 0 = unknown."""
    usd_per_million_output_tokens: Annotated[float, pydantic.Field(ge=0)] = 0.0
    """Price of a million generated tokens at an endpoint; 0 = unknown."""


class PoolTable(Model):
    """One model of several, and its own replicas, sampling, prompt and prices. Its tables override the shared ones key
    by key: `[models.NAME.sampling]` lies over `[sampling]`, and `[sampling.by_kind.KIND]` over both."""

    model_config = pydantic.ConfigDict(json_schema_extra=_path_or_preset)

    resources: PoolResources = PoolResources()
    """Its replicas; over `[resources]`."""
    sampling: Sampling = Sampling()
    """How it draws; over `[sampling]`. `repair`, `distinct` and `estimates` are one for all pools."""
    prompt: Prompt = Prompt()
    """What is put around a problem's text; over `[prompt]`."""
    cost: Cost = Cost()
    """Its prices; over `[cost]`."""


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

    model_config = pydantic.ConfigDict(json_schema_extra={"anyOf": [{"required": ["model"]}, {"required": ["models"]}]})

    notify: list[Notify] = []
    """Receivers of what becomes of the run, one `[[notify]]` each."""
    default_route: str = ""
    """The model or cascade of the problems that no route fits. It is needed where several models stand without a
    `[cascade]`."""
    audit: Annotated[float, pydantic.Field(ge=0, le=1)] = 0.0
    """Share of the problems that go through every stage of their cascade whatever the earlier ones gave. Unbiased
    figures for each model alone follow from them."""
    routes: list[Route] = []
    """Which problems go where, one `[[routes]]` each; the first that fits counts (docs/pools.md)."""

    run: Run
    problems: Problems
    model: Model = pydantic.Field(default=cast(Any, None))
    """The one model of the run. None where there are `[models.NAME]`: ask `pools`, which knows both."""
    models: dict[PoolName, PoolTable] = {}
    """Several models, one `[models.NAME]` each, in place of `[model]`."""
    cascade: Cascade | None = None
    """The one cascade that all problems take."""
    cascades: dict[PoolName, Cascade] = {}
    """Cascades that routes name, one `[cascades.NAME]` each."""
    output: Output = Output()
    prompt: Prompt = Prompt()
    sampling: Sampling = Sampling()
    agreement: Agreement | None = None
    """Policies that stop at verified solutions need it for problems without an answer key."""
    selection: Selection = Selection()
    budget: Budget = Budget()
    verify: Verify = Verify()
    resources: Resources = Resources()
    ray: Ray = Ray()
    cost: Cost = Cost()
    _origins: dict[str, str] = pydantic.PrivateAttr(default_factory=dict)
    _pool: str = pydantic.PrivateAttr(default="")

    @pydantic.model_validator(mode="before")
    @classmethod
    def _fill_pools(cls, table: Any) -> Any:
        return expand_pools(table)[0] if isinstance(table, dict) else table

    def resolved(self) -> dict[str, Json]:
        """Every value in use, defaults included, as plain JSON."""
        table = self.model_dump(mode="json")
        if self.models:
            del table["model"]
        plain = {route.name for route in self.route_table() if not route.stages}
        for name, pool in table["models"].items():
            if name not in plain:
                del pool["sampling"]["num_samples"]
        if not plain:  # the stages of cascades say how many samples are drawn
            del table["sampling"]["num_samples"]
        return table

    def pools(self) -> dict[str, SolveConfig]:
        """The pools that routes lead to, each as the config of a run with its `[model]` alone. A config with `[model]`
        has one pool, of that name."""
        return {name: self._of_pool(name) for name in routing.used_pools(self)} if self.models else {ONLY: self}

    def route_table(self) -> tuple[RoutePlan, ...]:
        """The ways through the pools, that of most problems first."""
        return routing.route_table(self)

    def route_of(self, kind: str, domain: str, meta: Mapping[str, Json]) -> int:
        """The number in `route_table` of the way that a problem with these fields takes."""
        return routing.route_of(self, kind, domain, meta) if self.routes else 0

    def key(self, path: str) -> str:
        """The name in the file of the key that is `path` where one model stands alone: of `model.path` or
        `resources.replicas`."""
        if not self._pool:
            return path
        own = path.removeprefix("model.")
        return f"models.{self._pool}.{own}"

    def with_sampling(self, sampling: Mapping[str, Sampling]) -> SolveConfig:
        """The same config with other sampling of its pools, by their names."""
        if not self.models:
            return self.model_copy(update={"sampling": sampling.get(ONLY, self.sampling)})
        changed = {name: self.models[name].model_copy(update={"sampling": new}) for name, new in sampling.items()}
        return self.model_copy(update={"models": {**self.models, **changed}})

    def _of_pool(self, name: str) -> SolveConfig:
        pool = self.models[name]
        no_routes: dict[str, Any] = {"cascade": None, "cascades": {}, "routes": [], "default_route": "", "audit": 0.0}
        own = {
            "model": Model.model_construct(**{key: getattr(pool, key) for key in Model.model_fields}),
            "sampling": pool.sampling,
            "prompt": pool.prompt,
            "cost": pool.cost,
            "resources": self.resources.model_copy(update=dict(pool.resources)),
        }
        config = self.model_copy(update={"models": {}, **no_routes, **own})
        config._origins = origins_of(name, self._origins)
        config._pool = name
        return config

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
    table = read_toml(path)
    if fault := misplaced_override(table, overrides):
        raise ConfigError(f"{path}: {fault}")
    table = merge_overrides(table, overrides)
    _, given = merge_layers([Layer(COMMAND_LINE, merge_overrides({}, overrides))])
    if "legs" in table and "model" not in table:
        raise ConfigError(
            f"{path}: this is a config of a nightly, not of one run: `proofmill nightly {path}` starts it"
        )
    return check_config(table, str(path)).with_origins(given)


def check_config(table: Mapping[str, Json], where: str) -> SolveConfig:
    """The config that a table stands for, over the presets that it names. Raises ConfigError that lists every fault,
    one per line: file, key, what was wrong, what would be right."""
    faults = list(table_faults(table))
    merged, origins = over_presets(table, where)
    config: SolveConfig | None = None
    try:
        config = validate(SolveConfig, merged, where).with_origins(origins)
    except ConfigError as error:
        faults = [*str(error).removeprefix(f"{where}: ").split(f"\n{where}: "), *faults]
    if config is not None and not faults:
        given = [pool.sampling.variants for pool in config.pools().values()]
        are_pools = bool(config.models or config.cascade or config.cascades)
        faults = [*pool_faults(config, table), *variant_faults(given, config.sampling.num_samples, are_pools)]
    if config is None or faults:
        raise ConfigError("\n".join(f"{where}: {fault}" for fault in faults))
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
        raise ConfigError("\n".join(f"{where}: {fault}" for fault in told_faults(error, model)))


def parse_settings(settings: Iterable[str]) -> dict[str, dict[str, Json]]:
    """`kind.key=value` → {kind: {key: value}}. Raises ConfigError."""
    table = merge_overrides({}, settings)
    for kind in table:
        if kind not in KINDS:
            raise ConfigError(f"--set {kind}.…: no such kind; known: {', '.join(KINDS)}")
    return table
