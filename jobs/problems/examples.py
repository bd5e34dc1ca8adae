"""Solved problems that are shown before each problem: `{"prompt": "…", "answer": "…"}` per line, and `kind` where
one is only for problems of that kind.

Promises: every faulty line is named, with what would be right; a line of a confidential source is marked, so that no
endpoint elsewhere gets it without leave. Does not: check that an answer is right.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

from jobs.config import ConfigError, SolveConfig
from jobs.problems import sources
from jobs.problems.errors import BadRow, ProblemFileError, RowError
from jobs.problems.places import find_sources
from verifiers.kinds import KINDS
from verifiers.reference_fields import excerpt
from verifiers.types import Json
from workers.engines.remote.confidential import SOURCES, is_confidential_example
from workers.prompting.messages import Example

MAX_EXAMPLES = 100
"""Each of them is part of every prompt."""
RIGHT = '{"prompt": "…", "answer": "…"}'


def read_examples(
    path: str, key: str = "prompt.examples", confidential: Sequence[str] = SOURCES
) -> tuple[Example, ...]:
    """The examples of the file that `key` of the config names; none for an empty path. Those of the `confidential`
    sources are marked. Raises ConfigError and ProblemFileError."""
    if not path:
        return ()
    found: list[Example] = []
    faults: list[RowError] = []
    for source in find_sources([path]):
        for line, row in sources.read_rows(source, "example"):
            if isinstance(row, RowError):
                faults.append(row)
                continue
            try:
                found.append(read_example(row, is_confidential_example(row, source.place, confidential)))
            except BadRow as bad:
                faults.append(bad.at(source.uri, line))
    if faults:
        raise ProblemFileError(faults)
    if not found or len(found) > MAX_EXAMPLES:
        raise ConfigError(f"{key} = {path!r}: {len(found)} examples; give 1 to {MAX_EXAMPLES}")
    return tuple(found)


def read_example(row: dict[str, Json], confidential: bool = False) -> Example:
    """Raises BadRow."""
    texts = []
    for field in ("prompt", "answer"):
        value = row.get(field)
        if not isinstance(value, str) or not value.strip():
            raise BadRow(field, "missing" if value is None else f"is {excerpt(value)}", RIGHT)
        texts.append(value)
    kind = row.get("kind") or ""
    if kind and kind not in KINDS:
        raise BadRow("kind", f"is {excerpt(kind)}", f"one of {', '.join(KINDS)}, or leave it out")
    return Example(texts[0], texts[1], kind, confidential)


def variant_key(name: str) -> str:
    """How the examples of a variant are named in a config."""
    return f"sampling.variants.{name}.examples"


def examples_digest(path: str) -> str:
    """Equal for equal examples; empty where there are none."""
    return _digest(_shown(read_examples(path)))


def digest_with_variants(config: SolveConfig) -> str:
    """Equal for equal examples of the prompt and of all variants; empty where there are none."""
    found: Json = _shown(read_examples(config.prompt.examples))
    own = [
        (variant.name, _shown(read_examples(variant.examples, variant_key(variant.name))))
        for variant in config.sampling.variants
        if variant.examples is not None
    ]
    return _digest([found, own] if own else found)


def _shown(examples: Iterable[Example]) -> list[Json]:
    """What a model sees of them."""
    return [(example.prompt, example.answer, example.kind) for example in examples]


def _digest(examples: Json) -> str:
    return hashlib.sha256(json.dumps(examples).encode()).hexdigest() if examples else ""
