"""The table of export formats: what each may use of a run, which layouts it has, and which module makes its rows.

To add a format, write one module under jobs/export/formats/ with a function `build(bucket, inputs) -> BucketResult`
(jobs.export.choosing has both types and the pieces that builders share) and one row here. A plugin adds its row with
`FORMATS.add(name, FormatRow(...))`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

from verifiers.registry import Registry


@dataclasses.dataclass(frozen=True, slots=True)
class FormatRow:
    """One export format."""

    build: str
    """`module:function` that makes the rows of one bucket; imported in the export's worker processes only."""
    layouts: tuple[str, ...]
    """Names of the column sets that trainers read; the first is the default. docs/export.md shows a row of each."""
    statuses: tuple[str, ...] = ()
    """Statuses of the samples whose texts may be used. `undecided`, `error` and `malformed` are never a training
    negative. Empty for a format of problems, which reads no texts."""
    rows_of: Literal["samples", "problems"] = "samples"
    """What the funnel counts. A format of problems needs the pass rates of problems.parquet."""
    needs_evidence: bool = False
    """Whether the builder reads the verdict's evidence, which is left on storage otherwise."""
    chosen_by: str = ""
    """What decides which samples are taken, where that is not `select.strategy`."""
    learning_potential: bool = True
    """Whether `select.strategy = "learning_potential"` applies: it ranks verified samples only."""
    row_name: str = "rows"
    """What a row of the data set is called."""
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Meaning of the columns that jobs.export.columns does not know, for the data card."""
    task_category: str = "text-generation"
    """The data card's task category, a name of the Hugging Face hub."""


FORMATS: Registry[FormatRow] = Registry(
    "export format",
    {
        "sft": FormatRow(
            "jobs.export.formats.singles:sft",
            ("prompt_completion", "messages", "nemo_rl", "openthoughts", "megatron_bridge"),
            ("verified",),
        ),
        "preference": FormatRow(
            "jobs.export.formats.preference:build",
            ("trl", "open_instruct", "nemo_rl", "llama_factory", "ms_swift", "torchtune"),
            ("verified", "refuted"),
            chosen_by="hard negatives",
            row_name="pairs",
        ),
        "kto": FormatRow(
            "jobs.export.formats.singles:kto",
            ("trl", "llama_factory", "ms_swift", "axolotl"),
            ("verified", "refuted"),
        ),
        "rl": FormatRow(
            "jobs.export.formats.rl:build",
            ("verl", "open_instruct", "trl", "nemo_rl", "nemo_gym", "skyrl", "verifiers", "ms_swift"),
            rows_of="problems",
            chosen_by="pass rate",
            row_name="problems",
        ),
        "prm": FormatRow(
            "jobs.export.formats.prm:build",
            ("trl",),
            ("verified", "refuted"),
            needs_evidence=True,
            learning_potential=False,
        ),
    },
)
