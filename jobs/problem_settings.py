"""The table `[problems]`: which problems are solved, and how their files are read."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from jobs.sections import KindName, NotNegative, Section
from workers.engines.remote.confidential import SOURCES


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
    confidential: list[str] = list(SOURCES)
    """Sources whose problems go to a remote engine only with `model.allow_confidential`, by a part of their name. A
    problem with `confidential` in its `meta` is confidential too."""
    skip_bad: bool = False
    """Leave out problems that cannot be read, and record them, instead of stopping at the first."""
