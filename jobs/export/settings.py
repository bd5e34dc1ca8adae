"""The settings of one export: defaults, an optional TOML file, then the command line.

Promises: every unknown key, wrong type and value out of range is reported at once, as in jobs.config; `resolved` gives
back every value in use and is stored in the output's `export.json`.
Does not: look at the runs or at the destination.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from jobs.config import (
    ConfigError,
    ConfigFile,
    KindName,
    NotNegative,
    Positive,
    PositiveFloat,
    Section,
    merge_overrides,
    read_toml,
    validate,
)
from jobs.export.formats_table import FORMATS, FormatRow
from jobs.export.layout_files import LayoutFiles, data_name, files_of_layout
from jobs.problem_settings import ProblemSource
from verifiers.registry import UnknownNameError
from verifiers.types import Status

Json = Any
Share = Annotated[float, pydantic.Field(ge=0, le=1)]


class Select(Section):
    strategy: Literal["diverse", "shortest", "middle", "learning_potential", "first"] = "diverse"
    """How the samples of one problem are chosen: far apart in text, fewest tokens, nearest to the median length, most
    surprising to the student within both cuts, or in order of sample index."""
    per_problem: Positive = 4
    """Largest number of samples (or pairs) per problem."""
    tiers: tuple[str, ...] = ()
    """Only samples checked under one of these protection tiers (column `tier`); empty = any."""
    audits: tuple[str, ...] = ()
    """Only samples whose checker ran one of these audits (`audit` of the evidence); empty = any. Lean's strict one is
    `kernel replay`."""
    variants: tuple[str, ...] = ()
    """Only samples of these variants (column `variant`, sampling.variants of the run); empty = any."""
    repairs: bool = False
    """Also samples of repair rounds: their prompt holds the failed attempt and the checker's evidence."""
    domains: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    kinds: tuple[KindName, ...] = ()
    min_tokens: NotNegative = 0
    max_tokens: NotNegative = 0
    """Largest number of completion tokens; 0 = no bound."""
    min_thought_tokens: NotNegative = 0
    """Smallest number of tokens of the thought (column `thought_tokens`, which counts as 0 where a run has not counted
    it)."""
    min_pass_rate: Share = 0.0
    max_pass_rate: Share = 1.0
    """Only samples of problems whose pass rate lies in [min_pass_rate, max_pass_rate]; `rl` has rl.low and rl.high."""
    rates_from: tuple[str, ...] = ()
    """Runs (folders or s3:// URIs) that pass rates are taken from instead of the exported ones: of a reference model,
    or of the current checkpoint. They are matched by problem id and kind."""
    low_quantile: Share = 0.1
    high_quantile: Share = 0.95
    """learning_potential: samples outside these quantiles of their domain and length bucket are cut."""
    student: str = ""
    """learning_potential: a local Hugging Face directory or a hub id."""
    labels: Literal["verified", "agreed"] = "verified"
    """What makes a sample right: verified, a checker's verdict; agreed, the agreement of the samples of a problem
    without an answer key (selections.parquet of the runs). Never both in one data set."""
    min_probability: Share = 0.95
    """agreed: only answers that are right with this probability or more."""
    drop_suspects: bool = False
    """Leave out problems whose reference may be wrong (selections.parquet of the runs)."""

    @property
    def needs_selections(self) -> bool:
        return self.labels == "agreed" or self.drop_suspects

    @property
    def bounds_pass_rate(self) -> bool:
        """Whether samples are selected by their problem's pass rate."""
        return self.min_pass_rate > 0 or self.max_pass_rate < 1


class Dedup(Section):
    near: Share = 0.9
    """Estimated Jaccard similarity of token 5-grams from which two texts count as one; 0 = exact duplicates only."""
    across_problems: bool = True
    against: tuple[str, ...] = ()
    """Earlier exports (folders or s3:// URIs): their samples are not exported again."""


class Decontaminate(Section):
    files: tuple[str, ...] = ()
    """Evaluation sets: problem files of any recognised layout."""
    sources: tuple[ProblemSource, ...] = ()
    """Further evaluation sets, each entry with `files`, `layout`, `columns` and `kind` as in `[[problems.sources]]`."""
    ngram: Annotated[int, pydantic.Field(ge=3, le=50)] = 10
    """Words in a row, in lower case and without punctuation, that count as an overlap. A shorter statement counts
    when all of it is found."""
    solutions: bool = True
    """Also look into the samples' texts, not only into the problem statements."""
    answer_chars: NotNegative = 12
    """A training problem whose reference answer equals an evaluation answer of at least this many characters is left
    out; 0 = off. Short answers say nothing: every set has a 42."""

    def parts(self) -> list[tuple[str, ProblemSource]]:
        """What is read alike, each with its key."""
        own = [("decontaminate.files", ProblemSource(files=list(self.files)))] if self.files else []
        return own + [(f"decontaminate.sources[{number}]", source) for number, source in enumerate(self.sources)]

    def all_files(self) -> list[str]:
        """Every entry of every list of files."""
        return [name for _, part in self.parts() for name in part.files]


class Gates(Section):
    truncated: bool = True
    """Drop samples that were cut off or whose thinking never ends. Off, such samples can be given as right; as
    wrong they never are."""
    vacuous: bool = True
    """Drop proofs of statements that the checker found to hold vacuously."""
    loop_share: Share = 0.3
    """Drop texts in which more than this share of token 5-grams repeats an earlier one; 1 = off."""
    loop_min_tokens: NotNegative = 64
    """Shorter texts are not looked at: a column of figures repeats itself without being a loop."""
    foreign_share: Share = 0.05
    """Drop texts in which more than this share of letters is of a script other than the text's main one and the
    prompt's; 1 = off. Greek is mathematics and never counts."""
    min_work_tokens: NotNegative = 12
    """Drop math and choice texts with fewer tokens (words, numbers, signs): an answer without work. What is boxed
    counts as one token, the tags around thinking as none. 0 = off."""
    luck_agreement: NotNegative = 2
    """Multiple choice and small integers can be right by luck. Without a rationale, this many verified samples of the
    problem must agree. 0 = off."""
    luck_rationale_tokens: NotNegative = 32
    """Number of tokens that count as a rationale."""
    luck_integer: NotNegative = 20
    """Largest integer that counts as small."""


class Preference(Section):
    length_ratio: Annotated[float, pydantic.Field(ge=1)] = 2.0
    """chosen and rejected differ in tokens by at most this factor, so that length is not what is learnt."""


class Rl(Section):
    low: Share = 0.1
    high: Share = 0.9
    """Only problems whose pass rate lies in [low, high]."""
    mixed: bool = False
    """Leave out problems that are always or never solved (a pass rate of 0 or 1), whatever low and high say: all
    samples of a group then have the same reward, and nothing is learnt."""
    mgpo_gamma: PositiveFloat = 1.0
    """γ of the weight exp(-γ · KL(p ‖ ½)); its source gives none."""
    long2short: Annotated[float, pydantic.Field(ge=0)] = 0.2
    """Scale of the brevity term of the verified samples' rewards."""
    tokens: bool = False
    """Add the tokens of every judged first attempt, as they were drawn (column `rollouts`). The runs need
    output.tokens."""
    data_source: str = ""
    """Overrides verl's `data_source`, for a reward function of your own."""


class Output(Section):
    layout: str = ""
    """Layout of the rows. Empty: the format's first in docs/export.md."""
    files: Literal["parquet", "jsonl", "both"] = "parquet"
    overwrite: bool = False
    licence: str = "other"
    """Licence of the data set as a whole, for the dataset card's header."""
    licences: dict[str, str] = pydantic.Field(default_factory=dict)
    """Licence of each problem source, for the dataset card: `source` of the problem file → licence."""
    name: str = ""
    """Title of the card; empty: the folder's name."""
    push_to_hub: str = ""
    """Data set of the Hugging Face hub (ORG/NAME) that the finished set is uploaded to, with the token in HF_TOKEN."""
    public: bool = False
    """Whether the repository on the hub is, or becomes, a public one."""


class Work(Section):
    processes: NotNegative = 0
    """0 = one a core, at most 8; 1 = all in this process."""
    directory: str = ""
    """Scratch space for about the size of the run, compressed; empty: the system's temporary directory."""
    bucket_mb: Positive = 24
    """Problems are handled in buckets of about this size: memory is a small multiple of it per process."""
    skip_bad: bool = False
    """Leave out rows whose JSON columns cannot be read (counted in the card) instead of stopping at the first."""


class ExportSettings(ConfigFile):
    format: str
    """A name of jobs.export.formats_table."""
    select: Select = Select()
    dedup: Dedup = Dedup()
    decontaminate: Decontaminate = Decontaminate()
    gates: Gates = Gates()
    preference: Preference = Preference()
    rl: Rl = Rl()
    output: Output = Output()
    work: Work = Work()

    @property
    def layout(self) -> str:
        return self.output.layout or self.row.layouts[0]

    @property
    def row(self) -> FormatRow:
        """The format's row of the table. Raises UnknownNameError."""
        return FORMATS.row(self.format)

    @property
    def layout_files(self) -> LayoutFiles:
        """What the layout asks of the files."""
        return files_of_layout(self.format, self.layout)

    @property
    def data_files(self) -> dict[str, str]:
        """The data files that are written: file format → name."""
        files = self.layout_files
        kinds = ("parquet", "jsonl") if self.output.files == "both" else (self.output.files,)
        return {kind: data_name(kind, files) for kind in ([files.only] if files.only else kinds)}

    @property
    def needs_pass_rates(self) -> bool:
        """Whether a run without problems.parquet cannot be exported."""
        return self.row.rows_of == "problems" or self.select.bounds_pass_rate

    @property
    def read_row(self) -> FormatRow:
        """The format's row, with the statuses of the samples whose texts are read from the runs."""
        row = self.row
        return dataclasses.replace(row, statuses=(Status.UNCHECKED,)) if self.select.labels == "agreed" else row

    @property
    def with_tokens(self) -> bool:
        """Whether the rows carry the tokens that the runs stored."""
        return self.format == "rl" and self.rl.tokens

    def resolved(self) -> dict[str, Json]:
        """Every value in use, defaults included, as plain JSON."""
        return self.model_dump(mode="json")


NEEDS = {
    "min_probability": ("labels", "agreed", "--labels agreed"),
    "student": ("strategy", "learning_potential", "--select learning_potential"),
    "low_quantile": ("strategy", "learning_potential", "--select learning_potential"),
    "high_quantile": ("strategy", "learning_potential", "--select learning_potential"),
}
"""Keys of `[select]` that only count beside a value of another key, which a flag gives too."""


def without_effect(select: Select) -> list[str]:
    """A fault for every key that was given and that nothing would read."""
    return [
        f"select.{key}: has no effect without select.{other} = {json.dumps(value)} ({flag})"
        for key, (other, value, flag) in NEEDS.items()
        if key in select.model_fields_set and getattr(select, other) != value
    ]


def load_settings(
    format: str, path: str | Path | None, overrides: Iterable[str] = (), sources: Sequence[Json] = ()
) -> ExportSettings:
    """Reads the optional TOML file, adds evaluation sets to its `decontaminate.sources` and applies `key.path=value`
    overrides. Raises ConfigError."""
    table = read_toml(Path(path)) if path else {}
    if sources:
        section = table.setdefault("decontaminate", {})
        section["sources"] = [*section.get("sources", []), *sources]
    where = str(path) if path else "--set"
    if table.get("format", format) != format:
        raise ConfigError(f"{where}: its format is {table['format']!r}, but the command asks for {format!r}")
    return check_settings({**merge_overrides(table, overrides), "format": format}, where)


def check_settings(table: Mapping[str, Json], where: str) -> ExportSettings:
    """Raises ConfigError listing every fault, one per line: file, key, what was wrong, what would be right."""
    settings = validate(ExportSettings, table, where)
    try:
        row = settings.row
    except UnknownNameError as error:
        raise ConfigError(f"{where}: format: {error}") from None
    faults = []
    if settings.layout not in row.layouts:
        known = ", ".join(row.layouts)
        faults.append(f"output.layout: {settings.layout!r} is no layout of {settings.format}; known: {known}")
    only = settings.layout_files.only
    if only and "files" in settings.output.model_fields_set and settings.output.files != only:
        faults.append(f"output.files: the trainer of the layout {settings.layout} reads {only} only")
    if settings.rl.low > settings.rl.high:
        faults.append(f"rl.low: {settings.rl.low} is above rl.high, {settings.rl.high}")
    if settings.select.min_pass_rate > settings.select.max_pass_rate:
        faults.append(
            f"select.min_pass_rate: {settings.select.min_pass_rate} is above select.max_pass_rate, "
            f"{settings.select.max_pass_rate}"
        )
    if settings.select.low_quantile >= settings.select.high_quantile:
        faults.append("select.low_quantile: must be below select.high_quantile")
    if settings.select.strategy == "learning_potential" and not settings.select.student:
        faults.append("select.student: strategy learning_potential needs a student model, for instance --student PATH")
    if settings.select.labels == "agreed" and row.statuses != ("verified",):
        faults.append(f"select.labels: {settings.format} needs verdicts; agreed answers go with sft")
    if settings.select.labels == "agreed" and settings.select.strategy == "learning_potential":
        faults.append("select.strategy: learning_potential ranks verified samples; choose another one for agreed ones")
    faults += without_effect(settings.select)
    if settings.select.strategy != "diverse" and row.chosen_by:
        faults.append(f"select.strategy: {settings.format} chooses by {row.chosen_by}; leave it out")
    if settings.select.strategy == "learning_potential" and not row.learning_potential:
        faults.append(
            f"select.strategy: learning_potential ranks verified samples only, {settings.format} takes refuted ones too"
        )
    if row.rows_of == "problems" and settings.select.bounds_pass_rate:
        faults.append(
            f"select.min_pass_rate, select.max_pass_rate: {settings.format} has rl.low and rl.high for its band"
        )
    if row.rows_of == "problems" and settings.select.min_thought_tokens:
        faults.append(f"select.min_thought_tokens: {settings.format} exports problems, and looks at no thought")
    if row.rows_of == "problems" and (settings.select.tiers or settings.select.audits or settings.select.variants):
        faults.append(
            "select.tiers, select.audits, select.variants: a pass rate counts every verified sample; "
            f"{settings.format} cannot restrict them"
        )
    if faults:
        raise ConfigError("\n".join(f"{where}: {fault}" for fault in faults))
    return settings
