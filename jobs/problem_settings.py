"""The table `[problems]`: which problems are solved, and how their files are read."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic

from jobs.sections import KindName, NotNegative, Section
from workers.engines.remote.confidential import SOURCES


class Problems(Section):
    """Which problems are solved."""

    files: Annotated[list[str], pydantic.Field(min_length=1)]
    """Paths, globs, folders, s3:// URIs and ids of data sets of the hub (docs/problem_files.md)."""
    config: str = ""
    """Configuration of a data set of the hub, such as `main`; needed where it has several."""
    split: str = ""
    """Split of a data set of the hub or of a folder of `save_to_disk`, such as `test`; needed where it has several."""
    revision: str = ""
    """Branch, tag or commit of a data set of the hub; empty: its main branch. The run keeps to the commit it began
    with."""
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
    unchecked: Literal["refuse", "accept"] = "refuse"
    """What becomes of problems without an answer key, such as a math problem whose reference has no answer. refuse:
    they are bad rows, so that a lost column of answers is noticed. accept: their samples get the status `unchecked`."""
    skip_bad: bool = False
    """Leave out problems that cannot be read, and record them, instead of stopping at the first."""
