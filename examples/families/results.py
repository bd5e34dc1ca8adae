"""The figures that are published, each with its interval, from the accounts of the runs."""

from __future__ import annotations

import csv
import functools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from examples.expert_iteration.measurement import OVERALL, difference
from examples.families.accounts import Account, Drawn, ratio, rounded
from examples.families.coverage_data import DIGITS_PER_FACT
from examples.families.recipe import Recipe
from workers.sampling.estimates import Estimate, Stopped, mean_estimate, pass_at_k
from workers.sampling.plan import EXHAUSTED, Plan

KS = (1, 4, 8)
FAMILY, GENERALIST, LARGE, REASONER = "specialists", "generalist", "large_generalist", "reasoner"
FIRST_STAGES = ("pocket", GENERALIST, FAMILY)
"""What may stand before the bundled reasoner in a cascade."""
CHEAP, KEEPING = "cost at most 40 %", "keep at least 95 %"
NONE = "none"
"""No first stage: the reasoner alone with fewer samples, which a cascade has to beat."""
BITS_PER_FACT = DIGITS_PER_FACT * math.log2(10)
TARGET_COST, TARGET_KEPT = 0.4, 0.95
"""The two aims that a cascade is chosen by: what it may cost, as a share of the large model alone that stops at its
first verified sample; and what it should keep of what that model solves (with a margin: 0.9 is to be reached)."""


def by_field(account: Account, recipe: Recipe) -> dict[str, dict[str, Drawn]]:
    """Field, and `all`, → its problems."""
    parts: dict[str, dict[str, Drawn]] = {OVERALL: dict(account.problems)}
    parts |= {field: {} for field in recipe.fields}
    for name, drawn in account.problems.items():
        parts[recipe.field_of(drawn.domain)][name] = drawn
    return parts


def stops(problems: Mapping[str, Drawn], samples: int) -> dict[str, Stopped]:
    """What an estimate of pass@k needs. Raises ValueError where a problem has another number of samples."""
    for name, drawn in problems.items():
        if drawn.samples != samples:
            raise ValueError(f"{name}: has {drawn.samples} samples and should have {samples}")
    plan = Plan(num_samples=samples)
    return {
        name: Stopped(plan, drawn.verified, samples - drawn.verified, drawn.verified, EXHAUSTED)
        for name, drawn in problems.items()
    }


def fields(accounts: Mapping[str, Account], recipe: Recipe, samples: int) -> dict[str, Any]:
    """Model → field → pass@k with intervals, tokens and parameters x tokens per solved problem; seconds over all."""
    found: dict[str, Any] = {}
    for model, account in accounts.items():
        rows: dict[str, Any] = {}
        for field, problems in by_field(account, recipe).items():
            counted = Counter(stops(problems, samples).values())
            rates = {k: mean_estimate(counted, functools.partial(_chance, k)) for k in KS if k <= samples}
            solved = [(drawn.tokens, float(drawn.solved)) for drawn in problems.values()]
            cost = [(drawn.cost / 1e6, float(drawn.solved)) for drawn in problems.values()]
            rows[field] = {
                "problems": len(problems),
                "solved": sum(drawn.solved for drawn in problems.values()),
                **{f"pass@{k}": rounded(rate) for k, rate in rates.items() if rate is not None},
                "tokens_per_solved": rounded(ratio(solved), 1),
                "million_parameter_tokens_per_solved": rounded(ratio(cost), 1),
            }
        solved_in_all = max(1, len(account.solved))
        found[model] = {
            "fields": rows,
            "seconds": round(account.seconds, 1),
            "seconds_per_solved": round(account.seconds / solved_in_all, 3),
            "usd_per_solved": round(account.usd / solved_in_all, 8),
        }
    return found


def _chance(k: int, stopped: Stopped) -> float | None:
    return pass_at_k(stopped, k)


def differences(accounts: Mapping[str, Account], recipe: Recipe, samples: int) -> dict[str, Any]:
    """pass@k of the specialists less that of each generalist, paired by problem, by field."""
    found: dict[str, Any] = {}
    ours = by_field(accounts[FAMILY], recipe)
    for other in (GENERALIST, LARGE):
        theirs = by_field(accounts[other], recipe)
        found[f"{FAMILY} - {other}"] = {
            field: {
                f"pass@{k}": rounded(difference(stops(theirs[field], samples), stops(ours[field], samples), k))
                for k in KS
                if k <= samples
            }
            for field in ours
        }
    return found


# The choice of a cascade, from the samples of the models alone.


def choice(accounts: Mapping[str, Account], samples: int) -> list[dict[str, Any]]:
    """For each first stage two plans, and what is expected of them: the one that should keep most at TARGET_COST (the
    cheapest where none costs so little), and the cheapest that should keep TARGET_KEPT (none where none does)."""
    large = accounts[REASONER]
    found = []
    for first in (NONE, *FIRST_STAGES):
        counts = (0,) if first == NONE else range(1, samples + 1)
        own = large if first == NONE else accounts[first]
        plans = [(a, b, *expected(own, large, a, b)) for a in counts for b in range(1, samples + 1)]
        cheap = [plan for plan in plans if plan[3] <= TARGET_COST] or [min(plans, key=lambda plan: plan[3])]
        keeping = [plan for plan in plans if plan[2] >= TARGET_KEPT]
        chosen = {CHEAP: max(cheap, key=lambda plan: plan[2])}
        if keeping:
            chosen[KEEPING] = min(keeping, key=lambda plan: plan[3])
        for aim, (a, b, kept, cost) in chosen.items():
            row = {"aim": aim, "first": first, "samples": a, "reasoner_samples": b}
            found.append({**row, "expected_kept": round(kept, 4), "expected_cost": round(cost, 4)})
    return found


def expected(first: Account, large: Account, a: int, b: int) -> tuple[float, float]:
    """With `a` samples of the first model and then `b` of the large one: the share of the large model's solved set that
    is kept, and the cost as a share of that of the large model alone. All stop at the first verified sample."""
    kept = solved = cost = alone = 0.0
    for name, drawn in large.problems.items():
        small = first.problems[name]
        full = 1 - _failing(drawn, drawn.samples)
        ours = 1 - _failing(small, a) * _failing(drawn, b)
        solved += full
        kept += full * ours
        alone += _samples(drawn, drawn.samples) * drawn.cost / drawn.samples
        cost += _samples(small, a) * small.cost / small.samples
        cost += _failing(small, a) * _samples(drawn, b) * drawn.cost / drawn.samples
    return (kept / solved if solved else 0.0), (cost / alone if alone else 0.0)


def _failing(drawn: Drawn, k: int) -> float:
    """Chance that none of `k` of the problem's samples is verified; 1 for no sample."""
    stopped = Stopped(
        Plan(num_samples=drawn.samples), drawn.verified, drawn.samples - drawn.verified, drawn.verified, EXHAUSTED
    )
    chance = pass_at_k(stopped, k)
    assert chance is not None, "k is at most the number of samples"
    return 1.0 - chance


def _samples(drawn: Drawn, most: int) -> float:
    """Expected number of samples until the first verified one, at most `most`."""
    return sum(_failing(drawn, k) for k in range(most))


# The cascade, measured.


def cascades(cascade: Account, alone: Account, by_seed: Mapping[int, Sequence[str]]) -> dict[str, Any]:
    """Per seed and over all: share of the large model's solved set that the cascade solves too, and what it took."""
    found = {str(seed): compared(cascade.part(names), alone.part(names)) for seed, names in by_seed.items()}
    found["all"] = compared(cascade, alone)
    return {
        "by_seed": found,
        "seconds": {"cascade": round(cascade.seconds, 1), "alone": round(alone.seconds, 1)},
        "usd": {"cascade": round(cascade.usd, 6), "alone": round(alone.usd, 6)},
        "pools": {name: {key: int(value) for key, value in own.items()} for name, own in cascade.by_pool.items()},
    }


def compared(cascade: Account, alone: Account) -> dict[str, Any]:
    """Intervals are bootstraps over problems. Raises ValueError where the runs are of different problems."""
    if cascade.problems.keys() != alone.problems.keys():
        raise ValueError("the cascade and the large model alone were measured on different problems")
    pairs = [(cascade.problems[name], theirs) for name, theirs in sorted(alone.problems.items())]
    return {
        "problems": len(pairs),
        "solved": {"cascade": len(cascade.solved), "alone": len(alone.solved)},
        "tokens": {"cascade": cascade.tokens, "alone": alone.tokens},
        "kept": rounded(ratio([(float(a.solved and b.solved), float(b.solved)) for a, b in pairs])),
        "cost": rounded(ratio([(a.cost, b.cost) for a, b in pairs])),
        "cost_if_alone_stopped": rounded(ratio([(a.cost, b.cost_until_solved) for a, b in pairs])),
    }


# Compression and coverage.


def growing(measured: Mapping[str, Mapping[str, float | Estimate]], recipe: Recipe) -> dict[str, Any]:
    """Size → parameters, share of sums and facts that are right, bits of the table held; and how many bits it has."""
    rows = {
        size: {key: rounded(value) if isinstance(value, Estimate) else round(value) for key, value in row.items()}
        for size, row in measured.items()
    }
    return {"sizes": rows, "facts": recipe.coverage.facts}


def training(folder: Path) -> dict[str, int]:
    """Parameters, steps and tokens of a model's training, as its training wrote them."""
    with (folder / "training.csv").open() as file:
        (row,) = csv.DictReader(file)
    return {key: int(value) for key, value in row.items()}


def describe(found: Mapping[str, Any]) -> Iterator[str]:
    """The figures for a terminal."""
    for model, row in found["fields"].items():
        for field, figures in row["fields"].items():
            shown = "  ".join(f"{key} {figures[key]['value']:.3f}" for key in figures if key.startswith("pass@"))
            yield f"{model:18} {field:24} {shown}"
    for what, rows in found["differences"].items():
        for field, figures in rows.items():
            value, low, high = (100 * figures["pass@1"][key] for key in ("value", "low", "high"))
            yield f"{what}, {field}: pass@1 {value:+.1f} points [{low:+.1f}, {high:+.1f}]"
    for row in found["choice"]:
        yield f"choice: {row}"
    for seed, row in found["cascade"]["by_seed"].items():
        yield (
            f"cascade, seed {seed}: keeps {_share(row['kept'])} of the solved set at {_share(row['cost'])} "
            f"of the cost, and at {_share(row['cost_if_alone_stopped'])} where the large model alone stopped as well"
        )
    for size, row in found["coverage"]["sizes"].items():
        yield f"{size:>6}: sums {row['sums']['value']:.1%}, facts {row['facts']['value']:.1%}, {row['bits']} bits held"


def readme_rows(found: Mapping[str, Any]) -> Iterator[str]:
    """The rows of the README's tables, in its order."""
    for model, row in found["fields"].items():
        for field, e in row["fields"].items():
            top = max((key for key in e if key.startswith("pass@")), key=lambda key: int(key.removeprefix("pass@")))
            yield (
                f"| {_plain(model)} | {_plain(field)} | {_share(e['pass@1'])} | {_share(e[top])} "
                f"| {_whole(e['tokens_per_solved'])} | {_whole(e['million_parameter_tokens_per_solved'])} |"
            )
    for model, row in found["fields"].items():
        yield f"| {_plain(model)} | {row['seconds']:.0f} | {row['seconds_per_solved']:.2f} |"
    for what, rows in found["differences"].items():
        for field, e in rows.items():
            yield f"| {_plain(what)} | {_plain(field)} | {_points(e['pass@1'])} | {_points(e['pass@8'])} |"
    for row in found["choice"]:
        yield (
            f"| {row['aim']} | {row['first']} | {row['samples']} | {row['reasoner_samples']} "
            f"| {row['expected_kept']:.1%} | {row['expected_cost']:.1%} |"
        )
    for seed, row in found["cascade"]["by_seed"].items():
        solved, shares = row["solved"], (row["kept"], row["cost"], row["cost_if_alone_stopped"])
        counts = f"{solved['cascade']} of {row['problems']} | {solved['alone']} of {row['problems']}"
        yield f"| {seed} | {counts} | {' | '.join(map(_share, shares))} |"
    for name, own in found["cascade"]["pools"].items():
        yield f"| {name} | {own['reached']} | {own['samples']} | {own['solved']} |"
    bits = f"{found['coverage']['facts'] * BITS_PER_FACT:,.0f}"
    for row in found["coverage"]["sizes"].values():
        right = f"{_share(row['sums'])} | {_share(row['facts'])}"
        yield f"| {row['parameters']:,} | {right} | {row['bits']:,} of {bits} |"
    for name, row in found["training"].items():
        product = f"{row['parameters_x_tokens'] / 1e12:.2f} x 10^12"
        yield f"| {_plain(name)} | {row['parameters']:,} | {row['steps']:,} | {row['tokens']:,} | {product} |"


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _share(e: Mapping[str, float] | None) -> str:
    return "-" if e is None else f"{100 * e['value']:.1f} % ({100 * e['low']:.1f} to {100 * e['high']:.1f})"


def _points(e: Mapping[str, float]) -> str:
    return f"{100 * e['value']:+.1f} points ({100 * e['low']:+.1f} to {100 * e['high']:+.1f})"


def _whole(e: Mapping[str, float] | None) -> str:
    return "-" if e is None else f"{e['value']:,.0f} ({e['low']:,.0f} to {e['high']:,.0f})"
