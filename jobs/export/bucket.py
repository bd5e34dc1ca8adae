"""The rows of one bucket in a fixed order, and the checks that rows fail: restrictions, gates, decontamination, copies.

Every row leaves through exactly one counter of the funnel: `exported`, or the name of what stopped it. A row is counted
under the first check that it fails, in the order in which jobs.export.choosing calls them.

Promises: deterministic, whatever the number of processes and the order of the files.
Does not: choose among the rows that pass (jobs.export.choosing does).
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.config import ConfigError
from jobs.export import quality_filters
from jobs.export import text_hashes as shingles
from jobs.export.contamination import ContaminationIndex, Hit
from jobs.export.partition import text_hashes
from jobs.export.rates import FIGURES, Rates
from jobs.export.settings import ExportSettings
from verifiers.kinds import KINDS

Json = Any
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclasses.dataclass(slots=True)
class Problem:
    """The rows of one problem, as positions in the bucket's table."""

    first: int
    stop: int
    kind: str
    domain: str
    reference: str
    num_verified: int


class Candidates:
    """Features of the rows whose texts are examined. `at[i]` is the row of candidate i."""

    def __init__(self, table: pa.Table, rows: Ints, index: ContaminationIndex | None) -> None:
        self.at = rows
        self.texts: pa.Array = table["text"].combine_chunks().take(pa.array(rows))
        count = len(rows)
        self.num_tokens = np.zeros(count, np.int64)
        self.repeated = np.zeros(count)
        self.signatures = np.zeros((count, shingles.NUM_HASHES), np.uint32)
        self.hits: dict[int, Hit] = {}
        for start, chunk in shingles.chunks(self.texts):
            normalised = shingles.normalise(chunk)
            tokens = shingles.tokenize(normalised)
            grams = shingles.ngrams(tokens, shingles.SHINGLE)
            stop = start + len(chunk)
            self.num_tokens[start:stop] = tokens.counts()
            self.repeated[start:stop] = shingles.repeated_share(grams)
            self.signatures[start:stop] = shingles.signatures(grams)
            if index is not None:
                for text, hit in index.find_in_chunk(normalised, tokens.words(), "text"):
                    self.hits.setdefault(start + text, hit)
        self.work = self.num_tokens.copy()
        """Number of tokens of each text that may show work."""
        short = np.flatnonzero(self.num_tokens < quality_filters.LONG_TEXT)
        for start, chunk in shingles.chunks(quality_filters.without_answers(self.texts.take(pa.array(short)))):
            tokens = shingles.tokenize(shingles.normalise(chunk))
            self.work[short[start : start + len(chunk)]] = tokens.counts()

    def exact_hashes(self) -> npt.NDArray[np.uint64]:
        return text_hashes(self.texts)


class Bucket:
    """The rows of one bucket in a fixed order, and the state of the funnel."""

    def __init__(self, table: pa.Table, settings: ExportSettings, index: ContaminationIndex | None) -> None:
        self.settings = settings
        self.index = index
        self.funnel: Counter[str] = Counter()
        self.hits: list[dict[str, Json]] = []
        self.clusters: dict[str, list[int]] = {}
        self.unranked = 0
        self.table, self.problem_of = in_order(table)
        self.alive = np.ones(len(self.table), bool)
        self.status = self.table["status"].to_numpy(zero_copy_only=False)
        self.tokens: Ints = self.table["completion_tokens"].to_numpy().astype(np.int64)
        self.drop(repeated_identities(self.table, self.problem_of), "repeated_identity")
        self.problems = list(self._problems())
        self.rates = np.full((len(self.problems), len(FIGURES)), np.nan)
        """The pass rate of each problem with its interval; NaN where there is no estimate."""

    def drop(self, mask: Bools, name: str) -> None:
        """Drops the rows that are still alive and in `mask`, and counts them under `name`."""
        leaving = self.alive & mask
        if number := int(leaving.sum()):
            self.funnel[name] += number
            self.alive &= ~leaving

    def _problems(self) -> Iterator[Problem]:
        if not len(self.table):
            return
        starts = np.flatnonzero(np.diff(self.problem_of, prepend=-1))
        stops = np.append(starts[1:], len(self.problem_of))
        facts = self.table.select(["kind", "domain", "reference"]).take(pa.array(starts)).to_pydict()
        verified: Any = np.add.reduceat((self.status == "verified") & self.alive, starts)
        for at, (first, stop) in enumerate(zip(starts.tolist(), stops.tolist(), strict=True)):
            yield Problem(
                first, stop, facts["kind"][at], facts["domain"][at], facts["reference"][at], int(verified[at])
            )

    def keep_only(self) -> None:
        """Applies the user's own restrictions."""
        select = self.settings.select
        for name, allowed in (("kind", select.kinds), ("domain", select.domains), ("split", select.splits)):
            if allowed:
                inside = pc.is_in(self.table[name], value_set=pa.array(allowed, pa.string()))
                self.drop(~inside.to_numpy(), f"{name}_not_selected")

    def take_rates(self, rates: Rates) -> None:
        """Fills `rates`, and drops problems whose pass rate is not in the user's own bounds."""
        ids, runs = self.table["problem_id"], self.table["run_id"]
        for at, problem in enumerate(self.problems if rates else ()):
            members = runs.slice(problem.first, problem.stop - problem.first)
            estimate = rates.of(ids[problem.first].as_py(), problem.kind, pc.unique(members).to_pylist())
            if estimate is not None:
                self.rates[at] = [np.nan if estimate[name] is None else estimate[name] for name in FIGURES]
        select = self.settings.select
        if select.bounds_pass_rate:
            of_rows = self.rates[self.problem_of, 0] if len(self.table) else np.zeros(0)
            self.drop(np.isnan(of_rows), "no_pass_rate")
            outside = ~((of_rows >= select.min_pass_rate) & (of_rows <= select.max_pass_rate))
            self.drop(outside, "pass_rate_not_selected")

    def drop_unusable(self) -> None:
        """Drops rows without a text that this format may use, and counts them by status."""
        aborted = self.table["status"].is_null().to_numpy()
        self.drop(aborted, "aborted")
        self.drop(self._contradictory(), "contradictory")
        usable = self.settings.row.statuses
        for status in sorted({str(value) for value in set(self.status[self.alive])} - set(usable)):
            self.drop(self.status == status, f"status_{status}")
        self.drop(self.table["text"].is_null().to_numpy(), "aborted")
        select = self.settings.select
        if select.tiers:
            inside = pc.is_in(self.table["tier"], value_set=pa.array(select.tiers, pa.string())).to_numpy()
            self.drop((self.status == "verified") & ~inside, "tier_not_selected")
        if select.audits:
            inside = pc.is_in(self.table["audit"], value_set=pa.array(select.audits, pa.string())).to_numpy()
            self.drop((self.status == "verified") & ~inside, "audit_not_selected")
        if select.variants:
            inside = pc.is_in(self.table["variant"], value_set=pa.array(select.variants, pa.string())).to_numpy()
            self.drop(~inside, "variant_not_selected")
        if self.settings.gates.vacuous:
            self.drop(self.table["vacuous"].to_numpy(), "vacuous")
        if not select.repairs:
            self.drop(self.table["round"].to_numpy() > 0, "repair_round")
        if select.min_tokens:
            self.drop(self.tokens < select.min_tokens, "too_short")
        if select.max_tokens:
            self.drop(self.tokens > select.max_tokens, "too_long")
        if select.min_thought_tokens:
            thought = pc.fill_null(self.table["thought_tokens"], 0).to_numpy()
            self.drop(thought < select.min_thought_tokens, "thought_too_short")
        self.drop((self.table["finish_reason"].to_numpy(zero_copy_only=False) != "stop") & self.cut_off(), "truncated")

    def cut_off(self) -> Bools:
        """Rows that are to be dropped if they were cut off: all of them, or with the gate `truncated` off those that
        would be given as wrong."""
        return (self.status != "verified") | self.settings.gates.truncated

    def drop_contaminated_prompts(self) -> dict[int, str]:
        """Drops rows with contaminated prompts. Returns the counter's name by the first row of the problem."""
        names: dict[int, str] = {}
        if self.index is None or not self.problems:
            return names
        firsts = [problem.first for problem in self.problems if self.alive[problem.first : problem.stop].any()]
        prompts = self.table["prompt"].combine_chunks().take(pa.array(firsts, pa.int64()))
        found = self.index.find(prompts, "prompt")
        at_row = dict(zip(firsts, range(len(firsts)), strict=True))
        mask = {
            "contaminated_prompt": np.zeros(len(self.table), bool),
            "leaked_answer": np.zeros(len(self.table), bool),
        }
        for problem in self.problems:
            if problem.first not in at_row:
                continue
            name, hit = "contaminated_prompt", found.get(at_row[problem.first])
            if hit is None and self.settings.decontaminate.answer_chars:
                answer = json.loads(problem.reference).get("answer")
                name, hit = "leaked_answer", self.index.find_answer(answer) if isinstance(answer, str) else None
            if hit is not None:
                mask[name][problem.first : problem.stop] = True
                names[problem.first] = name
                self.report(problem.first, hit, sample=False)
        for name, rows in mask.items():
            self.drop(rows, name)
        return names

    def report(self, row: int, hit: Hit, sample: bool) -> None:
        index = self.table["sample_index"][row].as_py() if sample else None
        where = {"problem_id": self.table["problem_id"][row].as_py(), "run_id": self.table["run_id"][row].as_py()}
        self.hits.append({**where, "sample_index": index, **dataclasses.asdict(hit)})

    def candidates(self) -> Candidates:
        """Applies the gates that need the texts. Rows that pass stay alive."""
        settings = self.settings.gates
        searched = self.index if self.settings.decontaminate.solutions else None
        found = Candidates(self.table, np.flatnonzero(self.alive), searched)
        mask = np.zeros(len(found.at), bool)

        def drop(name: str) -> None:
            rows = np.zeros(len(self.table), bool)
            rows[found.at[mask]] = True
            self.drop(rows, name)

        mask[list(found.hits)] = True
        for at in sorted(found.hits):
            self.report(int(found.at[at]), found.hits[at], sample=True)
        drop("contaminated_text")
        thinking = quality_filters.may_hold_marks(found.texts)
        mask[:] = False
        for at in np.flatnonzero(thinking & self.cut_off()[found.at]):
            mask[at] = quality_filters.is_truncated(found.texts[int(at)].as_py(), "stop")
        drop("truncated")
        mask = quality_filters.is_loop(found.repeated, found.num_tokens, settings)
        drop("loop")
        mask = np.zeros(len(found.at), bool)
        if settings.foreign_share < 1:
            for at in np.flatnonzero(~pc.string_is_ascii(found.texts).to_numpy(zero_copy_only=False)):
                prompt = self.table["prompt"][int(found.at[at])].as_py()
                mask[at] = quality_filters.is_mixed(found.texts[int(at)].as_py(), prompt, settings.foreign_share)
        drop("language_mixing")
        for problem, members in self.members(found):
            tokens = found.work[members]
            verified = self.status[found.at[members]] == "verified"
            mask[members] = verified & quality_filters.is_answer_only(problem.kind, tokens, settings)
        drop("answer_without_work")
        mask[:] = False
        for problem, members in self.members(found):
            if problem.num_verified < settings.luck_agreement:
                guessable = quality_filters.is_guessable(problem.kind, problem.reference, settings)
                luck = quality_filters.is_luck(guessable, problem.num_verified, found.work[members], settings)
                mask[members] = luck & (self.status[found.at[members]] == "verified")
        drop("luck")
        return self._without_exact_duplicates(found)

    def members(self, found: Candidates) -> Iterator[tuple[Problem, slice]]:
        """Candidates of each problem, as a range; problems without any are left out."""
        stops = np.searchsorted(found.at, [problem.stop for problem in self.problems])
        start = 0
        for problem, stop in zip(self.problems, stops.tolist(), strict=True):
            if stop > start:
                yield problem, slice(start, stop)
            start = stop

    def _without_exact_duplicates(self, found: Candidates) -> Candidates:
        hashes = found.exact_hashes()
        self.exact = hashes
        alive = self.alive[found.at]
        order = np.lexsort((found.at, hashes, self.problem_of[found.at], ~alive))
        at = found.at[order]
        same = (
            (hashes[order][1:] == hashes[order][:-1])
            & (self.problem_of[at][1:] == self.problem_of[at][:-1])
            & (self.status[at][1:] == self.status[at][:-1])
            & alive[order][1:]
            & alive[order][:-1]
        )
        rows = np.zeros(len(self.table), bool)
        rows[at[1:][same]] = True
        self.drop(rows, "duplicate")
        return found

    def _contradictory(self) -> Bools:
        """Rows whose text was verified once and refuted once for the very same messages, by different versions of a
        checker or under different tolerances. Neither verdict is taught, whichever of the two this format may use."""
        rows = np.zeros(len(self.table), bool)
        if "text_key" not in self.table.column_names:
            return rows
        judged = np.flatnonzero(self.alive & self.table["text_key"].is_valid().to_numpy())
        if not len(judged):
            return rows
        keys = pc.fill_null(self.table["text_key"], 0).to_numpy()[judged]
        messages = ranks(self.table["messages"])[judged]
        order = np.lexsort((keys, messages, self.problem_of[judged]))
        at = judged[order]
        starts = np.ones(len(at), bool)
        columns = (self.problem_of[at], messages[order], keys[order])
        starts[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
        verified = self.status[at] == "verified"
        group = np.cumsum(starts) - 1
        counts = np.bincount(group)
        good = np.bincount(group, weights=verified)
        rows[at[((good > 0) & (good < counts))[group]]] = True
        return rows


def in_order(table: pa.Table) -> tuple[pa.Table, Ints]:
    """Rows by problem, run and sample index, and the number of each row's problem.

    A problem is an id with its kind, prompt and reference: two runs may have used the same id for different things. The
    order of a multiple-choice item's options does not make another one of it (`sampling.shuffle_choices`).
    """
    columns = [table["problem_id"], table["kind"], *unshuffled(table)]
    keys = [ranks(column) for column in columns]
    index = table["sample_index"].to_numpy()
    order = np.lexsort((index, ranks(table["run_id"]), *reversed(keys)))
    new = np.zeros(len(order), bool)
    for key in keys:
        new[1:] |= np.diff(key[order]) != 0
    return table.take(pa.array(order)).combine_chunks(), np.cumsum(new)


def unshuffled(table: pa.Table) -> list[pa.ChunkedArray]:
    """`prompt` and `reference`, those of kinds whose options are shuffled in a form that is the same for all orders."""
    columns = [table["prompt"].combine_chunks(), table["reference"].combine_chunks()]
    for kind in pc.unique(table["kind"]).to_pylist():
        form = KINDS.row(kind).without_order if kind in KINDS else None
        if form is not None:
            rows = pc.equal(table["kind"], kind).combine_chunks()
            prompts, references = (column.filter(rows) for column in columns)
            plain = map_pairs(prompts, references, form)
            columns = [pc.replace_with_mask(column, rows, new) for column, new in zip(columns, plain, strict=True)]
    return [pa.chunked_array([column]) for column in columns]


def map_pairs(
    prompts: pa.Array, references: pa.Array, form: Callable[[str, Mapping[str, Json]], tuple[str, Mapping[str, Json]]]
) -> tuple[pa.Array, pa.Array]:
    """`form` of each prompt with its reference (JSON text); every distinct pair is formed once."""
    known: dict[tuple[str, str], tuple[str, str]] = {}
    pairs = list(zip(prompts.to_pylist(), references.to_pylist(), strict=True))
    for prompt, reference in dict.fromkeys(pairs):
        shown, content = form(prompt, json.loads(reference))
        known[prompt, reference] = shown, json.dumps(content, sort_keys=True)
    made = [known[pair] for pair in pairs]
    return pa.array([prompt for prompt, _ in made], pa.string()), pa.array([text for _, text in made], pa.string())


def ranks(column: pa.ChunkedArray) -> Ints:
    """The rank of each value among the distinct values."""
    encoded = column.combine_chunks().dictionary_encode()
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[encoded.indices.to_numpy(zero_copy_only=False)]


def repeated_identities(table: pa.Table, problem_of: Ints) -> Bools:
    """Rows with the same (run, problem, sample index) as the row before: the same run was given twice. Raises
    ConfigError if they are different samples, since two runs then have one id and one would be lost silently."""
    index, run = table["sample_index"].to_numpy(), ranks(table["run_id"])
    repeated = np.zeros(len(table), bool)
    repeated[1:] = (np.diff(problem_of) == 0) & (np.diff(index) == 0) & (np.diff(run) == 0)
    at = np.flatnonzero(repeated)
    for name in ("completion_tokens", "messages", "text"):
        if name in table.column_names and len(at):
            values = table[name].combine_chunks()
            differ = pc.not_equal(values.take(pa.array(at)), values.take(pa.array(at - 1))).fill_null(False)
            if pc.any(differ).as_py():
                row = int(at[differ.index(True).as_py()])
                run_id, problem, sample = (table[key][row].as_py() for key in ("run_id", "problem_id", "sample_index"))
                raise ConfigError(
                    f"two different runs have the id {run_id} (problem {problem}, sample {sample} is not the same in "
                    "both); export them one by one, the second with --against the first"
                )
    return repeated
