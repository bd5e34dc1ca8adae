"""Measures pass@1 and pass@16 on held-out problems, by domain.

    python -m models.tiny_reasoner.evaluate --problems-per-domain 20 --samples 16

Samples at temperature 1 with nothing cut off, verifies every one with the product's own checkers and averages the
unbiased estimate 1 - C(n-c, k)/C(n, k) over problems; the interval is a bootstrap over problems (95 %). Kinds whose
checker cannot run on this machine are left out and named.
"""

from __future__ import annotations

import argparse
import collections
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from models.tiny_reasoner.problems.draw import draw_distinct
from models.tiny_reasoner.training import NUM_THREADS
from verifiers.checker import Checkers
from verifiers.types import Kind, Problem, Status

HERE = Path(__file__).parent
ROWS = 256
"""Sequences generated side by side."""


def sample_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    num_samples: int,
    seed: int,
    max_new_tokens: int = 256,
) -> list[list[str]]:
    """`num_samples` completions of each prompt at temperature 1; prompts of like length share a batch."""
    torch.manual_seed(seed)
    tokenizer.padding_side = "left"
    chats = [
        tokenizer.apply_chat_template([{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True)
        for prompt in prompts
    ]
    order = sorted(range(len(chats)), key=lambda k: len(chats[k]))
    texts: list[list[str]] = [[] for _ in prompts]
    per_batch = max(1, ROWS // num_samples)
    for start in range(0, len(order), per_batch):
        chosen = order[start : start + per_batch]
        batch = tokenizer([chats[k] for k in chosen], return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.inference_mode():
            output = model.generate(
                **batch,
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                num_return_sequences=num_samples,
                max_new_tokens=max_new_tokens,
            )
        decoded = tokenizer.batch_decode(output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        for row, text in enumerate(decoded):
            texts[chosen[row // num_samples]].append(text)
    return texts


def pass_at_k(num_samples: int, num_right: int, k: int) -> float:
    """Unbiased estimate of 1 - (1 - p)^k (https://arxiv.org/abs/2107.03374)."""
    return 1.0 - math.comb(num_samples - num_right, k) / math.comb(num_samples, k)


def interval(values: Sequence[float], num_draws: int = 1000) -> tuple[float, float]:
    """95 % bootstrap interval of the mean, problems drawn with replacement."""
    rng = Random(0)
    means = sorted(sum(rng.choices(values, k=len(values))) / len(values) for _ in range(num_draws))
    return means[int(0.025 * num_draws)], means[int(0.975 * num_draws)]


def count_right(problems: Sequence[Problem], texts: Sequence[Sequence[str]], checkers: Checkers) -> list[int]:
    """Verified samples of each problem; equal texts are checked once."""
    counts = []
    for problem, group in zip(problems, texts, strict=True):
        repeats = collections.Counter(group)
        counts.append(sum(n for t, n in repeats.items() if checkers.verify(problem, t).status is Status.VERIFIED))
    return counts


def usable_kinds(problems: Iterable[Problem], checkers: Checkers) -> tuple[set[Kind], dict[Kind, str]]:
    """The kinds whose checker starts and reads the reference here, and why the others do not."""
    usable: set[Kind] = set()
    missing: dict[Kind, str] = {}
    for problem in problems:
        if problem.kind in usable or problem.kind in missing:
            continue
        try:
            fault = checkers.check_problem(problem)
        except (ImportError, OSError, RuntimeError) as exc:
            fault = f"{type(exc).__name__}: {exc}"
        if fault is None:
            usable.add(problem.kind)
        else:
            missing[problem.kind] = fault
    return usable, missing


def measure(
    model_path: Path, problems: Sequence[Problem], num_samples: int, seed: int, ks: Sequence[int], num_workers: int = 1
) -> dict[str, object]:
    """pass@k with intervals, by domain and over all, and the mean number of tokens of a completion."""
    tokenizer = AutoTokenizer.from_pretrained(model_path)
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32).eval()
    checkers = Checkers(num_workers=num_workers)
    try:
        kinds, missing = usable_kinds(problems, checkers)
        problems = [problem for problem in problems if problem.kind in kinds]
        texts = sample_texts(model, tokenizer, [problem.prompt for problem in problems], num_samples, seed)
        right = count_right(problems, texts, checkers)
    finally:
        checkers.close()
    domains: dict[str, list[int]] = {"all": right}
    for problem, count in zip(problems, right, strict=True):
        domains.setdefault(problem.domain, []).append(count)
    table = {}
    for domain, counts in domains.items():
        row: dict[str, object] = {"problems": len(counts)}
        for k in ks:
            values = [pass_at_k(num_samples, count, k) for count in counts]
            low, high = interval(values)
            row[f"pass@{k}"] = [round(x, 4) for x in (sum(values) / len(values), low, high)]
        table[domain] = row
    lengths = [len(ids) for group in texts for ids in tokenizer(group, add_special_tokens=False)["input_ids"]]
    return {
        "samples": num_samples,
        "mean_completion_tokens": round(sum(lengths) / len(lengths), 1),
        "left_out": {str(kind): fault for kind, fault in missing.items()},
        "domains": table,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=HERE)
    parser.add_argument("--problems-per-domain", type=int, default=20)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where the figures go as JSON")
    args = parser.parse_args()
    torch.set_num_threads(NUM_THREADS)
    items = draw_distinct(f"evaluation {args.seed}", held_out=True, num_per_domain=args.problems_per_domain)
    ks = [k for k in (1, 8, 16) if k <= args.samples]
    figures = measure(args.model, [item.problem() for item in items], args.samples, args.seed, ks)
    if args.out:
        args.out.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"mean completion {figures['mean_completion_tokens']} tokens; left out: {figures['left_out']}")
    table = figures["domains"]
    assert isinstance(table, dict)
    for domain, row in table.items():
        shown = "  ".join(f"pass@{k} {row[f'pass@{k}'][0]:.3f}" for k in ks)
        print(f"{domain:22} {row['problems']:4}  {shown}")


if __name__ == "__main__":
    main()
