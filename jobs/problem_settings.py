"""The table `[problems]`: which problems are solved, and how their files are read."""

from __future__ import annotations

from typing import Any, Literal

import pydantic

from jobs.sections import KindName, NotNegative, Section
from verifiers.types import Json
from workers.engines.remote.confidential import SOURCES


class ProblemFiles(Section):
    """Files that are read alike."""

    files: list[str]
    """Paths, globs, folders, s3:// URIs and ids of data sets of the hub (docs/problem_files.md)."""
    config: str = ""
    """Configuration of a data set of the hub, such as `main`; needed where it has several."""
    split: str = ""
    """Split of a data set of the hub or of a folder of `save_to_disk`, such as `test`; needed where it has several."""
    revision: str = ""
    """Branch, tag or commit of a data set of the hub; empty: its main branch. The run keeps to the commit it began
    with."""
    layout: str = "auto"
    """`auto`, `columns`, or one of the names in docs/problem_files.md."""
    columns: dict[str, Json] = {}
    """Canonical field → column of the file, or a table that makes it, for layout `columns` (docs/problem_files.md)."""
    kind: KindName | Literal[""] = ""
    """Kind of the problems where the layout does not say."""


class ProblemSource(ProblemFiles):
    """An entry of `[[problems.sources]]`: files with a layout and a mapping of their own."""

    @pydantic.field_validator("files")
    @classmethod
    def _some(cls, files: list[str]) -> list[str]:
        if not files:
            raise ValueError("an empty list; give at least one path")
        return files


def _files_or_sources(schema: dict[str, Json]) -> None:
    """In the JSON schema: either of the two says which files."""
    schema["required"] = [key for key in schema.get("required", []) if key != "files"]
    schema["anyOf"] = [{"required": ["files"]}, {"required": ["sources"]}]


class Problems(ProblemFiles):
    """Which problems are solved."""

    model_config = pydantic.ConfigDict(json_schema_extra=_files_or_sources)

    sources: list[ProblemSource] = []
    """Further files, each entry with `layout`, `columns` and `kind` of its own."""
    limit: NotNegative = 0
    """Use only this many problems, from the first on; 0 = all."""
    unique_prompts: bool = False
    """Leave out problems that ask what an earlier one has asked already, whatever their references say."""
    confidential: list[str] = list(SOURCES)
    """Sources whose problems go to a remote engine only with `model.allow_confidential`, by a word at
    which their name begins, as `gpqa` in `Idavidrein/gpqa_diamond`. The names of a problem's file and its folders count
    too, and so does `confidential` in its `meta`."""
    unchecked: Literal["refuse", "accept"] = "refuse"
    """What becomes of problems without an answer key, such as a math problem whose reference has no answer. refuse:
    they are bad rows, so that a lost column of answers is noticed. accept: their samples get the status `unchecked`."""
    skip_bad: bool = False
    """Leave out problems that cannot be read, and record them, instead of stopping at the first."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _sources_are_files_too(cls, table: Any) -> Any:
        if isinstance(table, dict) and table.get("sources") and "files" not in table:
            return {**table, "files": []}
        return table

    @pydantic.model_validator(mode="after")
    def _some_files(self) -> Problems:
        if not self.files and not self.sources:
            raise ValueError("files: an empty list; give at least one path, or [[problems.sources]]")
        return self

    def parts(self) -> list[tuple[str, ProblemFiles]]:
        """What is read alike, each with its place in the config."""
        own: list[tuple[str, ProblemFiles]] = [("problems", self)] if self.files else []
        return own + [(f"problems.sources[{number}]", source) for number, source in enumerate(self.sources)]

    def all_files(self) -> list[tuple[str, str]]:
        """Every entry of every list of files, with its key."""
        return [(f"{key}.files", name) for key, part in self.parts() for name in part.files]
