"""How good selections are: precision of agreed answers at a promised probability, and wrong references that are found.

    python -m benchmarks.selection precision [--problems 4750] [--hidden 1750] [--seeds 3]
    python -m benchmarks.selection suspects [--problems 1800] [--falsified 0.02] [--seeds 3]

Problems are generated (the families of models/tiny_reasoner). Two simulated models, each at two temperatures, answer
them. Their answers are spelled in several ways, and their errors are those of real models: some problems are far harder
than others, errors of one problem repeat, and on some problems every model believes the same wrong answer. Everything
after the texts is the real thing: the checkers, the stored run, the clustering, `selections.parquet`.

`precision`: the references of some problems are hidden, so that their samples are unchecked; probabilities come from
the others. Of the hidden problems whose winner is promised to be right with 0.95 or more: the share that is right, its
exact lower bound, and the share of all hidden problems that they are. In one domain the models share so many errors
that its agreed answers must not be promised.

`suspects`: a share of the references is replaced by a wrong answer before the samples are checked.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import itertools
import json
import math
import random
import re
import string
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from jobs.selections.select import select_run
from jobs.selections.votes import without_key
from models.tiny_reasoner.problems.draw import draw_items
from runstore.batches import VERDICT_COLUMNS, problem_columns, verdict_columns
from runstore.parts import append_part, encode_part
from runstore.reader import read_selections
from runstore.schema import SAMPLE_SCHEMA, SELECTION_SCHEMA
from runstore.storage import Storage, open_storage
from verifiers.checker import Checkers
from verifiers.types import Problem, Status
from workers.sampling.estimates import clopper_pearson

PROMISED = 0.95
DOMAINS = (
    *("arithmetic", "fractions", "gcd_lcm", "modular_arithmetic", "linear_equations", "quadratic_equations"),
    *("systems", "polynomials", "derivatives", "multiple_choice"),
)
TRAP_DOMAIN = "modular_arithmetic"
"""The domain in which the models share a third of their errors."""
SOURCES = (("small", 0.6), ("small", 1.0), ("large", 0.6), ("large", 1.0))
"""Models and temperatures, dealt in turn."""
HARD = {"precision": 0.2, "suspects": 0.05}
"""World.hard by figure. Wrong references can be found where the models are right in most problems."""
SKILL = {"small": 0.0, "large": 1.2}
PART_ROWS = 20_000
LETTERS = string.ascii_uppercase


@dataclasses.dataclass(frozen=True, slots=True)
class World:
    """How hard the problems are for the simulated models."""

    samples: int = 16
    hard: float = 0.2
    """Share of the problems on which the models are often wrong."""
    trap: float = 0.02
    """Share of the problems on which all models believe the same wrong answer."""
    trap_domain: float = 0.25
    """That share in TRAP_DOMAIN."""


class SimulatedAnswers:
    """What the models write to one problem."""

    def __init__(self, problem: Problem, truth: str, world: World, rng: random.Random) -> None:
        self._rng = rng
        self._truth = truth
        self._options = problem.reference.get("options")
        self._easiness = rng.gauss(0.0, 1.2) if rng.random() < world.hard else rng.gauss(4.5, 0.8)
        traps = world.trap_domain if problem.domain == TRAP_DOMAIN else world.trap
        self._trapped = rng.random() < traps
        # Errors repeat: a few slips of this problem make up most of them.
        self._slips = list(dict.fromkeys(self._slip() for _ in range(4)))
        self._weights = [rng.gammavariate(0.6, 1.0) + 1e-3 for _ in self._slips]

    def _slip(self) -> str:
        if self._options:
            return self._rng.choice([letter for letter in LETTERS[: len(self._options)] if letter != self._truth])
        return slip(self._truth, self._rng)

    def draw(self, model: str, temperature: float) -> tuple[str, str]:
        """(text, finish reason)."""
        odds = self._easiness + SKILL[model] - temperature
        right = 1 / (1 + math.exp(-odds))
        roll = self._rng.random()
        if roll < 0.04 * (1.5 - right):
            return "Let me think about this step by step, and then", "length"
        if roll < 0.07 * (1.5 - right):
            return "It could be one of several values.", "stop"
        if self._trapped and self._rng.random() < 0.85:
            answer = self._slips[0]
        elif self._rng.random() < right:
            answer = self._truth
        elif self._rng.random() < 0.75:
            answer = self._rng.choices(self._slips, self._weights)[0]
        else:
            answer = self._slip()
        spelled = answer if self._options else respelled(answer, self._rng)
        return f"Worked out in full.\n\\boxed{{{spelled}}}", "stop"


def slip(answer: str, rng: random.Random) -> str:
    """An answer with one number of it changed, as a slip would."""
    found = list(re.finditer(r"\d+", answer))
    if not found:
        return answer + "+1"
    place = rng.choice(found)
    value = max(0, int(place[0]) + rng.choice((-10, -2, -1, -1, 1, 1, 2, 10)))
    other = answer[: place.start()] + str(value) + answer[place.end() :]
    return other if other != answer else slip(answer, rng)


def respelled(answer: str, rng: random.Random) -> str:
    """The same answer as another sample would write it."""
    if re.fullmatch(r"-?\d+", answer):
        number = int(answer)
        return rng.choice((answer, answer, answer, f"{number}.0", f"\\frac{{{2 * number}}}{{2}}", f"{{{answer}}}"))
    if fraction := re.fullmatch(r"(-?)(\d+)/(\d+)", answer):
        sign, top, bottom = fraction.groups()
        return rng.choice((answer, f"{sign}\\frac{{{top}}}{{{bottom}}}", f"{sign}\\dfrac{{{top}}}{{{bottom}}}"))
    return rng.choice((answer, answer, answer.replace(" ", ""), answer.replace("+", " + ")))


def problems_of(number: int, seed: int) -> Iterator[tuple[Problem, str]]:
    """Different generated problems, each with its right answer."""
    prompts: set[str] = set()
    for item in draw_items(f"selection {seed}", held_out=False, domains=DOMAINS):
        if item.prompt not in prompts:
            prompts.add(item.prompt)
            yield item.problem(), str(item.reference["answer"])
        if len(prompts) == number:
            return


class Referee:
    """The real checkers; each pair of problem and text is checked once."""

    def __init__(self) -> None:
        self._checkers = Checkers(2)
        self._known: dict[tuple[str, str], tuple[Any, ...]] = {}

    def columns(self, problem: Problem, text: str, finish_reason: str) -> dict[str, Any]:
        """The columns of a verdict."""
        key = (json.dumps(problem.to_json()), text)
        if key not in self._known:
            self._known[key] = verdict_columns(self._checkers.verify(problem, text, finish_reason=finish_reason))
        return dict(zip(VERDICT_COLUMNS, self._known[key], strict=True))

    def close(self) -> None:
        self._checkers.close()


def sample_rows(problem: Problem, answers: SimulatedAnswers, number: int, referee: Referee) -> Iterator[dict[str, Any]]:
    """The rows of one problem as a run stores them."""
    rule = json.dumps({"policy": "fixed", "estimates": "unbiased", "num_samples": number})
    _, _, prompt, reference, domain, source, split, meta = problem_columns(problem)
    for index in range(number):
        model, temperature = SOURCES[index % len(SOURCES)]
        text, finish_reason = answers.draw(model, temperature)
        yield {
            **{"run_id": "selection", "problem_id": problem.id, "sample_index": index, "kind": str(problem.kind)},
            **{"domain": domain, "source": source, "split": split, "prompt": prompt, "reference": reference},
            **{"meta": meta, "stopping_rule": rule, "pool": model, "stage": 0, "audited": False, "round": 0},
            **{"messages": "[]", "text": text, "finish_reason": finish_reason, "seed": index, "queue_s": 0.0},
            **{"prompt_tokens": 30, "completion_tokens": 60, "generation_s": 0.1},
            "sampling": json.dumps({"temperature": temperature}),
            **referee.columns(problem, text, finish_reason),
            **{"attempt": 1, "model": model, "model_revision": "", "engine": "simulated", "engine_version": "1"},
            **{"replica": "0", "code_revision": "", "epoch": 1},
            "finished_at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        }


def write_run(folder: str, rows: Iterator[dict[str, Any]]) -> Storage:
    """A stored run with these rows."""
    storage = open_storage(folder)
    part = 0
    while batch := list(itertools.islice(rows, PART_ROWS)):
        append_part(storage, "e0001-w00", part, encode_part(pa.Table.from_pylist(batch, SAMPLE_SCHEMA)))
        part += 1
    return storage


def selected(storage: Storage) -> list[dict[str, Any]]:
    """The rows of `selections.parquet`, written anew."""
    began = time.perf_counter()
    counts = select_run(storage)
    print(f"  selections: {counts.problems:,} problems in {time.perf_counter() - began:.1f} s; {counts}")
    return [row for batch in read_selections(storage, SELECTION_SCHEMA.names) for row in batch.to_pylist()]


class Promises:
    """By domain: numbers of hidden problems (`all`), of those `promised`, and of these that are `right`."""

    def __init__(self) -> None:
        self.domains: dict[str, Counter[str]] = {}

    def add(self, domain: str, promised: bool, right: bool) -> None:
        counts = self.domains.setdefault(domain, Counter())
        counts["all"] += 1
        counts["promised"] += promised
        counts["right"] += right

    def total(self) -> Counter[str]:
        return sum(self.domains.values(), Counter())

    def show(self) -> None:
        for name, counts in sorted(self.domains.items()):
            print(f"  {name:22} {counts['promised']:4} of {counts['all']:4} promised, {counts['right']:4} right")


def precision(world: World, number: int, hidden: int, seed: int, referee: Referee) -> Promises:
    """Hides the references of some problems and counts what is promised of them."""
    rng = random.Random(f"precision {seed}")
    problems = list(problems_of(number, seed))
    rng.shuffle(problems)

    def rows() -> Iterator[dict[str, Any]]:
        for place, (problem, truth) in enumerate(problems):
            answers = SimulatedAnswers(problem, truth, world, rng)
            shown = without_key(problem) if place < hidden else problem
            yield from sample_rows(shown, answers, world.samples, referee)

    of_id = {problem.id: problem for problem, _ in problems}
    found = Promises()
    with tempfile.TemporaryDirectory() as folder:
        for row in selected(write_run(folder, rows())):
            if not row["keyless"]:
                continue
            promised = row["probability"] is not None and row["probability"] >= PROMISED
            boxed = f"\\boxed{{{row['winner']}}}"
            right = promised and referee.columns(of_id[row["problem_id"]], boxed, "stop")["status"] == Status.VERIFIED
            found.add(row["domain"], promised, right)
    return found


def false_answer(problem: Problem, truth: str, rng: random.Random) -> str:
    options = problem.reference.get("options")
    if options:
        return rng.choice([letter for letter in LETTERS[: len(options)] if letter != truth])
    return slip(truth, rng)


class Found(NamedTuple):
    """What a search for wrong references gave."""

    falsified: int
    found: int
    sound: int
    alarms: int
    """Sound references that are suspect."""


def suspects(world: World, number: int, share: float, seed: int, referee: Referee) -> Found:
    """Replaces a share of the references and counts which problems are suspect."""
    rng = random.Random(f"suspects {seed}")
    problems = list(problems_of(number, seed))
    falsified = {problem.id for problem, _ in rng.sample(problems, round(number * share))}

    def rows() -> Iterator[dict[str, Any]]:
        for problem, truth in problems:
            answers = SimulatedAnswers(problem, truth, world, rng)
            if problem.id in falsified:
                reference = {**problem.reference, "answer": false_answer(problem, truth, rng)}
                problem = dataclasses.replace(problem, reference=reference)
            yield from sample_rows(problem, answers, world.samples, referee)

    with tempfile.TemporaryDirectory() as folder:
        named = {row["problem_id"] for row in selected(write_run(folder, rows())) if row["suspect"]}
    return Found(len(falsified), len(named & falsified), number - len(falsified), len(named - falsified))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", choices=("precision", "suspects"))
    parser.add_argument("--problems", type=int, default=4750)
    parser.add_argument("--hidden", type=int, default=1750, help="precision: problems without a reference")
    parser.add_argument("--falsified", type=float, default=0.02, help="suspects: share of the references")
    parser.add_argument("--hard", type=float, help=f"share of problems that the models fail often; default: {HARD}")
    parser.add_argument("--trap", type=float, default=World().trap, help="share with an error that all models share")
    parser.add_argument("--samples", type=int, default=World().samples)
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    hard = args.hard if args.hard is not None else HARD[args.figure]
    stressed = max(args.trap, World().trap_domain) if args.figure == "precision" else args.trap
    world = World(args.samples, hard, args.trap, stressed)
    referee = Referee()
    try:
        for seed in range(args.seeds):
            if args.figure == "precision":
                promises = precision(world, args.problems, args.hidden, seed, referee)
                promises.show()
                promised, right, total = (promises.total()[name] for name in ("promised", "right", "all"))
                low, _ = clopper_pearson(right, promised)
                coverage = promised / total
                print(f"seed {seed}: {right} of {promised} promised at {PROMISED} are right: {right / promised:.4f},")
                print(f"  lower 95 % bound {low:.4f}; coverage {promised} of {total} hidden problems, {coverage:.1%}")
            else:
                found = suspects(world, args.problems, args.falsified, seed, referee)
                print(f"seed {seed}: {found.found} of {found.falsified} wrong references are suspect", end="")
                print(f" ({found.found / found.falsified:.0%}); {found.alarms} of {found.sound} sound ones are", end="")
                print(f" ({found.alarms / found.sound:.2%})", flush=True)
    finally:
        referee.close()


if __name__ == "__main__":
    main()
