"""Trains the models of this example from nothing.

    python -m examples.families.train                    # all of them, as shipped: `make families-train`
    python -m examples.families.train --scale 0.1 --out build/tenth programs theorems

Promises: fixed seeds; a checkpoint per model in `--work`, from which the same command goes on; a model that is complete
is not trained again. The models take turns, slice by slice, so an interrupted training has brought all of them equally
far. The rate stays flat until the last quarter, so a training may be ended earlier, or made longer, with a smaller or
larger `--scale`, from a checkpoint that has not begun to decay.
Does not promise: the same bytes on another machine or with another number of threads.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, PreTrainedTokenizerFast, Qwen2ForCausalLM

from examples.families import coverage_data
from examples.families.recipe import HERE, Recipe, load_recipe, scaled
from jobs.config import ConfigError
from models.tiny_reasoner import loss_curve
from models.tiny_reasoner.problems.draw import draw_items
from models.tiny_reasoner.tokenizer import END_OF_TEXT, TURN_END
from models.tiny_reasoner.training import (
    Example,
    Optimizers,
    cut_batches,
    each_step,
    encode,
    save_checkpoint,
    warmup_stable_decay,
    write_model,
)

REASONER = Path(__file__).resolve().parents[2] / "models" / "tiny_reasoner"
"""Where the tokenizer is from."""
CHUNK_BATCHES = 32
"""Batches of like length are cut from one chunk of problems at a time; a resume draws the current chunk again."""
COVERAGE = "coverage-"
"""Prefix of the names of the models of growing size."""
NUM_SLICES = 10


class Trainee:
    """One model in training: its batches, its steps, and how it is written when complete."""

    def __init__(self, name: str, recipe: Recipe, work: Path, out: Path) -> None:
        self.name = name
        self.recipe = recipe
        self.checkpoint = work / f"{name}.pt"
        self.out = out / name
        self.coverage = name.startswith(COVERAGE)
        if self.coverage:
            self.steps = recipe.coverage.steps
            self.size = recipe.coverage.sizes[name.removeprefix(COVERAGE)]
        else:
            self.steps = recipe.members[name].steps
            self.size = recipe.sizes[recipe.members[name].size]

    def new_model(self, tokenizer: PreTrainedTokenizerFast) -> Qwen2ForCausalLM:
        torch.manual_seed(self.recipe.seed)
        if self.coverage:
            ends = (coverage_data.encode(mark)[0] for mark in (coverage_data.END, coverage_data.PAD))
            return Qwen2ForCausalLM(self.size.config(len(coverage_data.ALPHABET), *ends))
        end, pad = tokenizer.convert_tokens_to_ids([TURN_END, END_OF_TEXT])
        return Qwen2ForCausalLM(self.size.config(len(tokenizer), end, pad))

    def rate(self, step: int) -> float:
        return warmup_stable_decay(step, self.steps, self.decay_steps(self.steps), self.recipe.warmup_steps)

    def decay_steps(self, steps: int) -> int:
        """How many of `steps` the learning rate falls over."""
        return max(1, round(self.recipe.decay_share * steps))

    def described(self) -> str:
        """All of the recipe that this model's batches and rates follow from, but for the number of steps."""
        recipe = self.recipe.model_dump(mode="json", exclude={"members", "coverage", "sizes"})
        if self.coverage:
            own = self.recipe.coverage.model_dump(mode="json", exclude={"steps", "sizes"})
        else:
            own = {"turns": self.recipe.members[self.name].turns}
        return json.dumps({**recipe, **own, "size": self.size.model_dump(mode="json")}, sort_keys=True)

    def check(self, state: Mapping[str, Any]) -> None:
        """Raises ConfigError where a checkpoint is of another recipe, or decayed towards another end."""
        if state["recipe"] != self.described():
            raise ConfigError(f"{self.checkpoint}: begun with another recipe; choose another --work or delete the file")
        flat = state["steps"] - self.decay_steps(state["steps"])
        if state["steps"] != self.steps and len(state["losses"]) > flat:
            raise ConfigError(
                f"{self.checkpoint}: its rate has fallen towards an end at step {state['steps']}, not {self.steps}; "
                "choose another --work or delete the file"
            )
        if len(state["losses"]) > self.steps:
            raise ConfigError(
                f"{self.checkpoint}: is at step {len(state['losses'])}, beyond the {self.steps} asked for"
            )

    def batches(self, tokenizer: PreTrainedTokenizerFast, first_step: int) -> Iterator[list[Example]]:
        """The batches from `first_step` on, without end."""
        if self.coverage:
            return coverage_batches(self.recipe, first_step)
        return member_batches(self.recipe, self.recipe.members[self.name].turns, tokenizer, first_step)

    def train(self, tokenizer: PreTrainedTokenizerFast, until: int, checkpoint_s: float) -> None:
        """Goes on from the checkpoint to step `until`; writes the model where that is the last one."""
        model = self.new_model(tokenizer)
        optimizers = Optimizers(model, self.recipe.peak)
        losses: list[float] = []
        tokens = 0
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=True)
            self.check(state)
            model.load_state_dict(state["model"])
            optimizers.load_state_dict(state["optimizers"])
            losses, tokens = state["losses"], state["tokens"]
        if len(losses) >= until and (until < self.steps or (self.out / "model.safetensors").exists()):
            return

        def save() -> None:
            state = {"model": model.state_dict(), "optimizers": optimizers.state_dict()}
            described = {"recipe": self.described(), "steps": self.steps}
            save_checkpoint(self.checkpoint, **state, **described, losses=losses, tokens=tokens)

        begun, saved_at = time.process_time(), time.monotonic()
        drawn, counted = itertools.tee(itertools.islice(self.batches(tokenizer, len(losses)), until - len(losses)))
        for _, loss in each_step(drawn, model, optimizers, self.rate, len(losses)):
            losses.append(loss)
            tokens += sum(len(example.tokens) for example in next(counted))
            if time.monotonic() - saved_at > checkpoint_s:
                save()
                saved_at = time.monotonic()
        save()
        recent = sum(losses[-20:]) / len(losses[-20:])
        seconds = time.process_time() - begun
        print(f"{self.name}: step {len(losses)} of {self.steps}, loss {recent:.4f}, {seconds:.0f} s", flush=True)
        if len(losses) == self.steps:
            self.write(model, tokenizer, losses, tokens)

    def write(
        self, model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast, losses: Sequence[float], tokens: int
    ) -> None:
        """The model in bfloat16, with its loss curve. The weights come last: where they are, the rest is too."""
        self.out.mkdir(parents=True, exist_ok=True)
        model = model.to(torch.bfloat16)
        if self.coverage:
            model.config.dtype = torch.bfloat16
            model.config.save_pretrained(self.out)
            state = {name: value for name, value in model.state_dict().items() if name != "lm_head.weight"}
            save_file(state, self.out / "model.safetensors", metadata={"format": "pt"})
        else:
            write_model(model, tokenizer, self.out)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        with (self.out / "loss.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("step", "loss"))
            writer.writerows((step, f"{loss:.4f}") for step, loss in loss_curve.thinned(losses))
        (self.out / "loss.svg").write_text(loss_curve.svg(losses))
        (self.out / "training.csv").write_text(
            f"parameters,steps,tokens,parameters_x_tokens\n{parameters},{len(losses)},{tokens},{parameters * tokens}\n"
        )


def member_batches(
    recipe: Recipe, turns: Sequence[str], tokenizer: PreTrainedTokenizerFast, first_step: int
) -> Iterator[list[Example]]:
    """One batch per step, of the fields in turn. A field's first batch, second batch, … are the same in every model."""
    streams = {}
    for field in set(turns):
        whole, rest = divmod(first_step, len(turns))
        streams[field] = field_batches(recipe, field, tokenizer, whole * turns.count(field) + turns[:rest].count(field))
    for step in itertools.count(first_step):
        yield next(streams[turns[step % len(turns)]])


def field_batches(
    recipe: Recipe, field: str, tokenizer: PreTrainedTokenizerFast, first: int
) -> Iterator[list[Example]]:
    """The batches of one field from number `first` on, chunk by chunk."""
    chunk, skip = divmod(first, CHUNK_BATCHES)
    for number in itertools.count(chunk):
        seed = f"families {recipe.seed} {field} {number}"
        stream = draw_items(seed, held_out=False, domains=recipe.fields[field])
        items = itertools.islice(stream, CHUNK_BATCHES * recipe.batch_size)
        examples = [encode(tokenizer, item.messages()) for item in items]
        yield from cut_batches(examples, recipe.batch_size, Random(seed))[skip:]
        skip = 0


def coverage_batches(recipe: Recipe, first_step: int) -> Iterator[list[Example]]:
    """Sums in even steps, facts in odd ones. The facts come round in a new order each time, all equally often."""
    settings = recipe.coverage
    facts = coverage_data.fact_table(recipe.seed, settings.facts)
    for step in itertools.count(first_step):
        if step % 2 == 0:
            questions = coverage_data.draw_sums(f"{recipe.seed} {step}", settings.sums_per_step, held_out=False)
        else:
            begin = step // 2 * settings.facts_per_step
            places = range(begin, begin + settings.facts_per_step)
            orders = {place // len(facts): [] for place in places}
            for lap in orders:
                orders[lap] = Random(f"{recipe.seed} {lap}").sample(facts, len(facts))
            questions = [orders[place // len(facts)][place % len(facts)] for place in places]
        yield [question.example() for question in questions]


def trainees(recipe: Recipe, work: Path, out: Path) -> dict[str, Trainee]:
    """Every model of the recipe by name."""
    names = [*recipe.members, *(f"{COVERAGE}{size}" for size in recipe.coverage.sizes)]
    return {name: Trainee(name, recipe, work, out) for name in names}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="models of the recipe; all of them where none is named")
    parser.add_argument("--scale", type=float, default=1.0, help="times the recipe's steps")
    parser.add_argument("--until", type=float, default=1.0, help="stop at this share of the steps")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE / "checkpoints", help="where the models go")
    parser.add_argument("--work", type=Path, default=Path("build/families"), help="where checkpoints go")
    parser.add_argument("--checkpoint-s", type=float, default=120.0)
    args = parser.parse_args()
    known = trainees(scaled(load_recipe(), args.scale), args.work, args.out)
    unknown = sorted(set(args.names) - set(known))
    if unknown:
        parser.error(f"no such model: {', '.join(unknown)}; known: {', '.join(known)}")
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(REASONER)
    try:
        for number in range(1, NUM_SLICES + 1):
            share = min(args.until, number / NUM_SLICES)
            for name in args.names or known:
                known[name].train(tokenizer, round(share * known[name].steps), args.checkpoint_s)
    except ConfigError as error:
        print(f"families-train: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
