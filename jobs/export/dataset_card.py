"""The dataset card: README.md with the YAML header of the Hugging Face convention, and the figures it shows.

Promises: every number is of this export; the funnel adds up to the rows read.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import yaml

from jobs.export import labels
from jobs.export.columns import meanings
from jobs.export.markdown import code_block, histogram, span, table
from jobs.export.outcomes import explained
from jobs.export.push import dataset_info
from jobs.export.summary import DomainPasses, Summary, ranking_note
from jobs.uris import shown
from workers.sampling.pass_curve import PassCurve, Point

Json = Any

SIZE_CATEGORIES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
)
MAX_DOMAINS = 50
"""Largest number of rows in a table of the card."""
MAX_SOURCES = 50
EXAMPLE_CHARS = 600
"""Longest text of the example row, in characters."""
EXAMPLE_ITEMS = 8
"""Longest list of the example row."""


def dataset_card(summary: Summary, out: str) -> str:
    settings = summary.settings
    name = title(summary, out)
    file = next(iter(settings.data_files.values()))
    header: dict[str, Json] = {
        "pretty_name": name,
        "license": settings.output.licence,
        "task_categories": [settings.row.task_category],
        "tags": ["proofmill", settings.select.labels, settings.format, settings.layout],
        "size_categories": [next((label for most, label in SIZE_CATEGORIES if summary.num_rows < most), "n>10M")],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": file}]}],
    }
    if settings.output.licence == "other":  # the convention then requires a name; the table of sources has the licences
        header["license_name"] = "per-source"
    if settings.output.push_to_hub and summary.schema is not None:
        header["dataset_info"] = dataset_info(summary.schema, summary.num_rows, summary.num_bytes)
    unit = settings.row.rows_of
    parts = [
        "---\n" + yaml.safe_dump(header, sort_keys=False, allow_unicode=True) + "---",
        f"# {name}",
        f"{summary.num_rows:,} {settings.row.row_name} of format `{settings.format}`, layout `{settings.layout}`, "
        f"exported by Proofmill from {summary.facts.num_rows:,} samples. {labels.promise(settings)}; "
        "`export.json` holds the settings in full.",
        "## Loading",
        LOADING,
        "## Columns",
        column_table(summary),
        "## The first row",
        code_block(json.dumps(shortened(summary.example), indent=1, ensure_ascii=False, default=str), "json"),
        "## Sources",
        table(["run"], [[f"`{run}`"] for run in sorted(summary.facts.run_ids)]),
        table(["model", "revision", "engine", "version"], [list(model) for model in sorted(summary.facts.models)]),
        table(["checker", "version"], [list(checker) for checker in sorted(summary.facts.checkers)]),
        source_table(summary),
        f"## From {unit} read to {unit} exported",
        funnel_table(summary, unit),
        *filter(None, [unchecked_note(summary), ranking_note(summary)]),
    ]
    if settings.row.rows_of == "samples":
        parts += ["## Gates", gate_table(summary)]
    if settings.decontaminate.all_files():
        sets = ", ".join(f"`{file_name(file)}`" for file in settings.decontaminate.all_files())
        parts.append(
            f"Decontaminated against {sets}: runs of {settings.decontaminate.ngram} words; "
            f"{summary.hits} hits reported in `contamination.jsonl` with the matching text."
        )
    if settings.select.rates_from:
        runs = ", ".join(f"`{file_name(uri)}`" for uri in settings.select.rates_from)
        parts.append(f"Pass rates are those of {runs}, matched by problem id and kind.")
    parts += ["## Domains", domain_table(summary)]
    if summary.passes.curves or summary.passes.missing:
        parts += ["## pass@k of the sampled problems", PASS_EXPLAINED, pass_table(summary.passes)]
        if summary.unfinished:
            left_out = ", ".join(f"`{file_name(run)}`" for run in summary.unfinished)
            parts.append(f"Without the problems of runs that are not finished: {left_out}.")
    if summary.lengths:
        bars = [(f"{2**power}–{2 ** (power + 1) - 1}", summary.lengths[power]) for power in span(summary.lengths)]
        parts += ["## Completion tokens", histogram(bars)]
    if summary.pass_rates:
        bars = [(f"{t / 10:.1f}–{(t + 1) / 10:.1f}", summary.pass_rates[t]) for t in range(10)]
        parts += ["## Pass rates", histogram(bars)]
    return "\n\n".join(part for part in parts if part) + "\n"


def title(summary: Summary, out: str) -> str:
    """The name of the data set: the user's own, or that of its folder."""
    return summary.settings.output.name or out.rstrip("/").rsplit("/", 1)[-1]


LOADING = """```python
from datasets import load_dataset

rows = load_dataset("PATH", split="train")  # this folder, or its name on the Hub
print(rows[0])
```"""


def shortened(value: Json) -> Json:
    """A row with its long texts and lists cut, each with a note of what is left out."""
    if isinstance(value, str) and len(value) > EXAMPLE_CHARS:
        half = EXAMPLE_CHARS // 2
        return f"{value[:half]} […{len(value) - 2 * half:,} characters left out…] {value[-half:]}"
    if isinstance(value, dict):
        return {name: shortened(inner) for name, inner in value.items()}
    if isinstance(value, list):
        rest = [f"[…{len(value) - EXAMPLE_ITEMS:,} more…]"] if len(value) > EXAMPLE_ITEMS else []
        return [*map(shortened, value[:EXAMPLE_ITEMS]), *rest]
    return value


def column_table(summary: Summary) -> str:
    row = summary.settings.row
    own = {**row.columns, **(labels.COLUMNS if summary.settings.select.labels == "agreed" else {})}
    known = meanings(summary.settings.format, summary.columns, own)
    return table(["column", "meaning"], [[f"`{name}`", meaning] for name, meaning in known])


def funnel_table(summary: Summary, unit: str) -> str:
    rows = sorted(((name, number) for name, number in summary.funnel.items() if number), key=lambda row: -row[1])
    rows.sort(key=lambda row: row[0] != "exported")
    total = sum(number for _, number in rows)
    texts = {name: explained(name).text for name, _ in rows}
    if summary.funnel["exported"] != summary.num_rows:
        texts["exported"] += f", in {summary.num_rows:,} {summary.settings.row.row_name}"
    lines = [[f"`{name}`", f"{number:,}", texts[name]] for name, number in rows]
    return table(["outcome", unit, ""], [*lines, ["all", f"{total:,}", ""]])


def unchecked_note(summary: Summary) -> str:
    """Says how many problems have no answer key, so that nothing of them could be checked; empty where all have one."""
    problems, samples = summary.passes.unchecked, summary.funnel["status_unchecked"]
    if not problems and not samples:
        return ""
    unit = summary.settings.row.rows_of
    told = f"{problems:,} problems without an answer key" if problems else "Problems without an answer key"
    return f"{told} are in no row and in no figure of this card: {samples:,} of the {unit} above are theirs."


def file_name(uri: str) -> str:
    """The last part of a path: a card says nothing of the machine that made it, and repeats no signature."""
    return shown(uri).rstrip("/").rpartition("/")[2]


def source_table(summary: Summary) -> str:
    output = summary.settings.output
    rows = [
        [f"`{source or '(none)'}`", f"{number:,}", output.licences.get(source, "not stated")]
        for source, number in summary.sources.most_common(MAX_SOURCES)
    ]
    return table(["problem source", "rows", "licence"], rows) + left_off("sources", len(summary.sources), MAX_SOURCES)


def left_off(what: str, number: int, shown: int) -> str:
    return f"\n\nThe {shown} largest of {number:,} {what}." if number > shown else ""


def gate_table(summary: Summary) -> str:
    """Every quality gate with its threshold and its count, those that stopped nothing too."""
    gates = summary.settings.gates
    switch = {True: "on", False: "off"}
    lines = [
        ("truncated", "on" if gates.truncated else "samples that would be given as wrong"),
        ("vacuous", switch[gates.vacuous]),
        (
            "loop",
            f"more than {100 * gates.loop_share:g}% repeated 5-grams, from {gates.loop_min_tokens} tokens on"
            if gates.loop_share < 1
            else "off",
        ),
        (
            "language_mixing",
            f"more than {100 * gates.foreign_share:g}% foreign letters" if gates.foreign_share < 1 else "off",
        ),
        ("answer_without_work", f"fewer than {gates.min_work_tokens} tokens" if gates.min_work_tokens else "off"),
        (
            "luck",
            f"guessable (choice, integers to {gates.luck_integer}), fewer than {gates.luck_rationale_tokens} tokens "
            f"and fewer than {gates.luck_agreement} verified samples"
            if gates.luck_agreement
            else "off",
        ),
    ]
    return table(
        ["gate", "stops", "samples"], [[f"`{name}`", stops, f"{summary.funnel[name]:,}"] for name, stops in lines]
    )


def domain_table(summary: Summary) -> str:
    rows = []
    for domain, number in summary.domains.most_common(MAX_DOMAINS):
        problems, verified, clusters = summary.clusters.get(domain, [0, 0, 0])
        spread = [f"{verified / problems:.2f}", f"{clusters / problems:.2f}"] if problems else ["", ""]
        rows.append([domain or "(none)", f"{number:,}", *spread])
    heads = ["domain", "rows", f"{summary.settings.select.labels} texts per problem", "clusters per problem"]
    return table(heads, rows) + left_off("domains", len(summary.domains), MAX_DOMAINS)


PASS_EXPLAINED = (
    "Mean unbiased estimate, 95 % interval over problems like these; ≥ marks a lower bound, where some problems were "
    "given up before k samples. *no estimate* counts the problems that were not sampled to their plan's end. "
    "Where problems went through a cascade it is that of its first stage."
)


def pass_table(passes: DomainPasses) -> str:
    problems = Counter({domain: curve.problems for domain, curve in passes.curves.items()}) + passes.missing
    shown = [(domain, passes.curves.get(domain, PassCurve())) for domain, _ in problems.most_common(MAX_DOMAINS)]
    ks = sorted({point.k for _, curve in shown for point in curve.points()})
    rows = []
    for domain, curve in sorted(shown, key=lambda row: row[0]):
        points = {point.k: point for point in curve.points()}
        cells = [pass_cell(points[k]) if k in points else "" for k in ks]
        rows.append([domain or "(none)", f"{curve.problems:,}", f"{passes.missing[domain]:,}", *cells])
    heads = ["domain", "problems", "no estimate", *(f"pass@{k}" for k in ks)]
    return table(heads, rows) + left_off("domains", len(problems), MAX_DOMAINS)


def pass_cell(point: Point) -> str:
    estimate = point.estimate
    bound = "" if point.exact else "≥ "
    return f"{bound}{estimate.value:.3f} ({estimate.low:.3f}–{estimate.high:.3f})"
