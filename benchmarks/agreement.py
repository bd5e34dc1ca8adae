"""Agreement with an early stop against a fixed number of samples: tokens, equal winners, and the rule's error.

    python -m benchmarks.agreement [--problems 4000] [--alpha 0.05] [--max-samples 32] [--run URI]

Problems are made up from distributions of answers as models give them: how often the best answer comes is drawn from a
Beta distribution per set (easy, middling, hard), and the others follow Zipf's law. Lengths are log-normal, and answers
other than the best one are a half longer. With `--run` the answers of a stored run are used instead: samples of each
problem in index order, clustered as a run clusters them. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import random
import time
import tracemalloc
from collections.abc import Iterator, Sequence

from runstore.batches import problem_of
from runstore.reader import read_batches
from runstore.storage import open_storage
from verifiers.agreement import cluster_answers
from verifiers.partition import Classes
from verifiers.types import Problem
from workers.sampling.agreement import NO_VOTE, AgreementRule, first_agreement
from workers.sampling.votes import Placed, Votes

SETS = {"easy": (8.0, 1.5), "middling": (3.0, 2.0), "hard": (1.2, 2.5)}
"""Beta distribution of how often the best answer comes."""
TAIL = 30
"""Number of other answers."""
Drawn = tuple[list[int], list[int]]
"""Votes of a problem's samples and their tokens, in index order."""


def made_up(name: str, count: int, samples: int, rng: random.Random) -> Iterator[Drawn]:
    for _ in range(count):
        best = rng.betavariate(*SETS[name])
        slope = rng.uniform(0.5, 2.0)
        tail = [rank**-slope for rank in range(1, TAIL + 1)]
        total = sum(tail)
        no_answer = rng.uniform(0.0, 0.1)
        weights = [no_answer, best * (1 - no_answer)]
        weights += [(1 - best) * (1 - no_answer) * share / total for share in tail]
        votes = rng.choices([NO_VOTE, *range(TAIL + 1)], weights, k=samples)
        yield votes, [int(rng.lognormvariate(6.5, 0.6) * (1.0 if vote == 0 else 1.5)) for vote in votes]


def stored(uri: str, samples: int) -> Iterator[Drawn]:
    """The first samples of every problem of a run that has so many."""
    columns = ["problem_id", "kind", "prompt", "reference", "domain", "source", "split", "meta"]
    columns += ["sample_index", "extracted_answer", "completion_tokens", "status"]
    rows: dict[str, dict[int, tuple[str | None, int]]] = collections.defaultdict(dict)
    problems: dict[str, Problem] = {}
    for _, batch in read_batches(open_storage(uri), columns):
        for row in batch.to_pylist():
            if row["status"] is not None and row["sample_index"] < samples:
                problems.setdefault(row["problem_id"], problem_of(row))
                found = row["extracted_answer"], row["completion_tokens"]
                rows[row["problem_id"]][row["sample_index"]] = found
    for problem_id, found in rows.items():
        if len(found) == samples:
            answers = [found[index][0] for index in range(samples)]
            votes = [NO_VOTE] * samples
            for number, members in enumerate(cluster_answers(problems[problem_id], answers).members):
                for member in members:
                    votes[member] = number
            yield votes, [found[index][1] for index in range(samples)]


def winner(votes: Sequence[int]) -> int:
    """The most frequent answer; of equals the first one. NO_VOTE: there is none."""
    counts = collections.Counter(vote for vote in votes if vote != NO_VOTE)
    most = max(counts.values(), default=0)
    return next((vote for vote in votes if counts.get(vote) == most), NO_VOTE) if most else NO_VOTE


def compare(rule: AgreementRule, problems: Iterator[Drawn]) -> dict[str, float]:
    classes = Classes()
    for founder in range(TAIL + 1):
        classes.found(founder)
    for one, other in itertools.combinations(range(TAIL + 1), 2):
        classes.part(one, other)
    count = stopped = equal = led = early = fixed = 0
    for votes, tokens in problems:
        stop = first_agreement(rule, votes, classes)
        used = stop if stop > 0 else len(votes)
        count += 1
        stopped += 0 < stop < len(votes)
        early += sum(tokens[:used])
        fixed += sum(tokens)
        chosen = winner(votes[:used])
        equal += chosen == winner(votes)
        final = collections.Counter(vote for vote in votes if vote != NO_VOTE)
        led += stop > 0 and any(final[other] >= final[chosen] for other in final if other != chosen)
    return {
        "problems": count,
        "stopped_early": round(stopped / max(1, count), 4),
        "tokens_saved": round(1 - early / max(1, fixed), 4),
        "equal_winner": round(equal / max(1, count), 4),
        "leader_overtaken": round(led / max(1, count), 4),
    }


def clustering_ms(rng: random.Random) -> dict[str, float]:
    """Milliseconds that 64 answers take, the best of ten."""
    problem = Problem("p", "math", "", {})
    sets = {
        "integers, ten of them": [str(rng.randrange(10)) for _ in range(64)],
        "integers, all different": [str(number) for number in range(64)],
        "fractions in two writings": [
            rng.choice([f"{n}/7", f"\\frac{{{n}}}{{7}}"]) for n in rng.choices(range(9), k=64)
        ],
        "radicals, eight of them": [f"\\frac{{\\sqrt{{{n % 8 + 2}}}}}{{{n % 8 + 3}}}" for n in range(64)],
        "polynomials, eight of them": [f"x^2+{n % 8}x+1" if n % 2 else f"x(x+{n % 8})+1" for n in range(64)],
    }
    found = {}
    for name, answers in sets.items():
        cluster_answers(problem, answers)
        times = []
        for _ in range(10):
            began = time.perf_counter()
            cluster_answers(problem, answers)
            times.append(time.perf_counter() - began)
        found[name] = round(1000 * min(times), 2)
    return found


def memory_kb() -> float:
    """What the coordinator keeps of one problem with the most and longest representatives."""
    tracemalloc.start()
    kept = []
    for _ in range(50):
        votes = Votes()
        for index in range(16):
            votes.place(index, Placed(bytes([index]) * 2048, apart=tuple(range(index))))
        for index in range(16, 64):
            votes.place(index, Placed(bytes([index % 16]) * 2048, equal=(index % 16,)))
        kept.append(votes)
    used = tracemalloc.get_traced_memory()[0] / len(kept)
    tracemalloc.stop()
    return round(used / 1000, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=4000, help="of each set")
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--max-samples", type=int, default=32)
    parser.add_argument("--run", default="", help="a stored run whose answers are used")
    args = parser.parse_args()
    rule = AgreementRule(args.alpha, 4, args.max_samples)
    rng = random.Random(0)
    if args.run:
        found = {"stored": compare(rule, stored(args.run, args.max_samples))}
    else:
        found = {name: compare(rule, made_up(name, args.problems, args.max_samples, rng)) for name in SETS}
        each = list(itertools.chain(*(made_up(name, args.problems, args.max_samples, rng) for name in SETS)))
        found["all"] = compare(rule, iter(each))
    print(json.dumps({"rule": rule.to_json(), **found, "clustering_ms": clustering_ms(rng), "memory_kb": memory_kb()}))


if __name__ == "__main__":
    main()
