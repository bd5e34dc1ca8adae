"""Learning potential: how surprising a verified text is to the model that will be trained on it.

S(y) = -(1/|y|) · Σ log π_student(y_t | prompt, y_<t), from the prompt log-probabilities of a vLLM engine; ranked within
domain and length, cut at both ends, highest first (VibeThinker-3B report, arXiv 2606.16140: very low means nothing to
learn, the high outliers are noise).

Promises: a text is scored as the student's chat template presents it, over the tokens of the text alone; texts that
leave the student's context are not scored, and so not exported.
Does not: run on Ray. One engine in this process scores bucket after bucket; it takes its memory beside the export's.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from jobs.config import ConfigError
from jobs.export.bucket import Bucket
from jobs.export.contamination import ContaminationIndex
from jobs.export.formats import chats as formats
from jobs.export.partition import read_bucket
from jobs.export.process import without_bad_rows
from jobs.export.rates import RateFiles, Rates
from jobs.export.settings import ExportSettings
from jobs.model_path import check_model_path
from runstore.schema import Messages
from workers.engines.base import EngineSettings, EngineStartError
from workers.engines.registry import open_engine
from workers.engines.scoring import Scorer
from workers.engines.vllm_start import gpu_is_here

BATCH = 256
"""Number of texts given to the engine at a time."""


Identity = tuple[str, str, int]


class Student(Protocol):
    def surprise(self, chats: Sequence[Messages], texts: Sequence[str]) -> list[float | None]:
        """Mean negative log-likelihood (nats per token) of each text after its chat; None where it does not fit."""
        ...

    def close(self) -> None:
        """Ends the student's processes."""
        ...


def open_student(model: str) -> Scorer:
    """Loads the student. Raises ConfigError for one that cannot be loaded, and EngineStartError."""
    check_model_path(model, "select.student")
    on_gpu = gpu_is_here()
    settings = EngineSettings(
        path=model,
        use_gpu=on_gpu,
        # vLLM's choice on CPUs, bfloat16, changes the second digit of a score, and differently on different processors.
        dtype="auto" if on_gpu else "float32",
        # No two texts share a prompt here, and a cached prefix has no log-probabilities.
        engine_args={"enable_prefix_caching": False, "disable_log_stats": True},
    )
    student = Scorer(open_engine(settings))
    student.start()
    return student


def score_buckets(
    settings: ExportSettings,
    spills: Sequence[Path],
    num_buckets: int,
    folder: Path,
    progress: Callable[[str], None],
    index: Path | None = None,
    rates: Path | None = None,
) -> None:
    """Writes the learning potential of every usable sample within the cuts to `folder`, one file per bucket."""
    try:
        student = open_student(settings.select.student)
    except EngineStartError as error:
        raise ConfigError(f"select.student: {settings.select.student} cannot be loaded: {error}")
    folder.mkdir()
    groups: dict[tuple[str, int], list[float]] = defaultdict(list)
    try:
        for bucket in range(num_buckets):
            with (folder / f"{bucket}.all").open("w") as stream:
                for identity, group, score in scored(settings, spills, bucket, index, student, rates):
                    groups[group].append(score)
                    stream.write(json.dumps([identity, group, score]) + "\n")
            progress(f"learning potential: bucket {bucket + 1} of {num_buckets}")
    finally:
        student.close()
    bounds = {group: cuts(scores, settings) for group, scores in groups.items()}
    for bucket in range(num_buckets):
        path = folder / f"{bucket}.all"
        with path.open() as lines, (folder / f"{bucket}.jsonl").open("w") as stream:
            for line in lines:
                identity, (domain, length), score = json.loads(line)
                low, high = bounds[domain, length]
                if low <= score <= high:
                    stream.write(json.dumps([identity, score]) + "\n")
        path.unlink()


def cuts(scores: Sequence[float], settings: ExportSettings) -> tuple[float, float]:
    """The scores at both quantiles; a group of one keeps its sample."""
    low, high = np.quantile(scores, [settings.select.low_quantile, settings.select.high_quantile])
    return float(low), float(high)


def scored(
    settings: ExportSettings,
    spills: Sequence[Path],
    bucket: int,
    index: Path | None,
    student: Student,
    rates: Path | None,
) -> Iterator[tuple[Identity, tuple[str, int], float]]:
    """Samples of one bucket that pass the gates: identity, (domain, length as a power of two), score."""
    table = read_bucket(spills, bucket)
    if table is None:
        return
    table = without_bad_rows(table, settings, Counter())
    state = Bucket(table, settings, ContaminationIndex(index) if index else None)
    state.keep_only()
    if rates is not None:
        state.take_rates(Rates(RateFiles.read(rates, bucket), bool(settings.select.rates_from)))
    state.drop_unusable()
    state.drop_contaminated_prompts()
    state.candidates()
    rows = np.flatnonzero(state.alive & (state.status == "verified"))
    for start in range(0, len(rows), BATCH):
        chosen = state.table.take(rows[start : start + BATCH]).to_pylist()
        chats = [messages_of(row["messages"]) for row in chosen]
        for row, score in zip(chosen, student.surprise(chats, [row["text"] for row in chosen]), strict=True):
            if score is not None and math.isfinite(score):
                group = (row["domain"], max(1, row["completion_tokens"]).bit_length())
                yield (row["run_id"], row["problem_id"], row["sample_index"]), group, score


def messages_of(chat: str) -> Messages:
    """A row's `messages` as the engine takes them."""
    return tuple((message["role"], message["content"]) for message in formats.parse_chat(chat))


def read_scores(folder: Path, bucket: int) -> dict[Identity, float]:
    with (folder / f"{bucket}.jsonl").open() as lines:
        return {(run, problem, index): score for (run, problem, index), score in map(json.loads, lines)}
