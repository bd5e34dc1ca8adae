"""Trains the tiny reasoner from nothing on generated problems of the training side.

    python -m models.tiny_reasoner.train

On two CPU cores about an hour; `--device cuda --drawers 4` takes minutes.
Promises: fixed seeds; a checkpoint every few minutes in `--work`, from which the same command goes on; the loss curve
as CSV and SVG beside the model. The data are drawn as they are needed: no problem is seen twice on purpose.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import functools
import itertools
import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from models.tiny_reasoner import loss_curve
from models.tiny_reasoner.problems.draw import draw_items
from models.tiny_reasoner.training import (
    NUM_THREADS,
    Example,
    Optimizers,
    cut_batches,
    each_step,
    encode,
    new_model,
    save_checkpoint,
    warmup_stable_decay,
    write_model,
)

HERE = Path(__file__).parent
CHUNK_BATCHES = 32
"""Batches are cut from one chunk of problems at a time; a resume draws the current chunk again."""


def draw_chunk(tokenizer: PreTrainedTokenizerFast, seed: int, batch_size: int, chunk: int) -> list[list[Example]]:
    items = itertools.islice(draw_items(f"{seed} {chunk}", held_out=False), CHUNK_BATCHES * batch_size)
    examples = [encode(tokenizer, item.messages()) for item in items]
    return cut_batches(examples, batch_size, Random(f"{seed} {chunk}"))


def draw_batches(
    tokenizer: PreTrainedTokenizerFast, seed: int, batch_size: int, first_step: int, last_step: int, num_drawers: int
) -> Iterator[list[Example]]:
    """The batches of steps `first_step` to `last_step`, the same however many processes draw them."""
    chunks = range(first_step // CHUNK_BATCHES, -(-last_step // CHUNK_BATCHES))
    draw = functools.partial(draw_chunk, tokenizer, seed, batch_size)
    with contextlib.ExitStack() as stack:
        if num_drawers:
            pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(num_drawers))
            drawn = pool.imap(draw, chunks)
        else:
            drawn = map(draw, chunks)
        batches = itertools.chain.from_iterable(drawn)
        yield from itertools.islice(batches, first_step % CHUNK_BATCHES, last_step - chunks.start * CHUNK_BATCHES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3200)
    parser.add_argument("--decay-steps", type=int, default=704)
    parser.add_argument("--batch-size", type=int, default=64, help="problems per step")
    parser.add_argument("--peak", type=float, default=3e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--drawers", type=int, default=0, help="processes that draw problems ahead; 0: none")
    parser.add_argument("--out", type=Path, default=HERE, help="where the model goes")
    parser.add_argument("--work", type=Path, default=Path("build/tiny_reasoner"), help="where checkpoints go")
    parser.add_argument("--checkpoint-s", type=float, default=120.0)
    args = parser.parse_args()

    torch.set_num_threads(NUM_THREADS)
    tokenizer = AutoTokenizer.from_pretrained(HERE)
    model = new_model(tokenizer, args.seed).to(args.device)
    optimizers = Optimizers(model, args.peak)
    args.work.mkdir(parents=True, exist_ok=True)
    checkpoint = args.work / "checkpoint.pt"
    losses: list[float] = []
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=args.device)
        model.load_state_dict(state["model"])
        optimizers.load_state_dict(state["optimizers"])
        losses = state["losses"]
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{num_parameters} parameters, from step {len(losses)} to {args.steps}", flush=True)

    saved_at = started = time.monotonic()
    batches = draw_batches(tokenizer, args.seed, args.batch_size, len(losses), args.steps, args.drawers)

    def rate(step: int) -> float:
        return warmup_stable_decay(step, args.steps, args.decay_steps)

    def save() -> None:
        save_checkpoint(checkpoint, model=model.state_dict(), optimizers=optimizers.state_dict(), losses=losses)

    for step, loss in each_step(batches, model, optimizers, rate, len(losses)):
        losses.append(loss)
        now = time.monotonic()
        if step % 20 == 0:
            recent = sum(losses[-20:]) / len(losses[-20:])
            print(f"step {step} loss {recent:.4f} {now - started:.0f} s", flush=True)
        if now - saved_at > args.checkpoint_s:
            save()
            saved_at = now
    save()
    write_model(model.cpu(), tokenizer, args.out)
    with (args.out / "loss.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("step", "loss"))
        writer.writerows((step, f"{loss:.4f}") for step, loss in loss_curve.thinned(losses))
    (args.out / "loss.svg").write_text(loss_curve.svg(losses))


if __name__ == "__main__":
    main()
