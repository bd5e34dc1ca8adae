"""Fine-tunes the tiny reasoner, or a copy of it, on conversations: what `proofmill export sft` writes.

    python -m models.tiny_reasoner.finetune --data out/data/sft --out build/round_1

Reads JSONL or Parquet files with a `messages` column ([{role, content}, …], the last one the completion). Writes a
Hugging Face model directory. The learning rate warms up, then falls to zero over the rest. A row that is not a
conversation ends the run with its file and number; rows longer than `--max-tokens` are left out and counted.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from models.tiny_reasoner.training import (
    NUM_THREADS,
    Example,
    Optimizers,
    cut_batches,
    each_step,
    encode,
    warmup_stable_decay,
    write_model,
)

HERE = Path(__file__).parent


def read_conversations(path: Path) -> Iterator[list[dict[str, str]]]:
    """From a file, or from every .jsonl and .parquet file below a folder in order of name. Raises ValueError."""
    files = sorted(p for p in path.rglob("*") if p.suffix in (".jsonl", ".parquet")) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"{path}: no .jsonl or .parquet file in it")
    for file in files:
        for number, row in enumerate(_rows(file), 1):
            messages = row.get("messages")
            if not messages or messages[-1].get("role") != "assistant":
                raise ValueError(f"{file}, row {number}: `messages` should end with an assistant's message")
            yield messages


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    if file.suffix == ".parquet":
        for batch in pq.ParquetFile(file).iter_batches(columns=["messages"]):
            yield from batch.to_pylist()
        return
    with file.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def finetune(
    examples: Sequence[Example], model_path: Path, out: Path, epochs: int, batch_size: int, peak: float, seed: int
) -> list[float]:
    """Trains and writes the model; returns the loss of every step."""
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(model_path)
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    optimizers = Optimizers(model, peak)
    rng = Random(seed)
    batches = [batch for _ in range(epochs) for batch in cut_batches(examples, batch_size, rng)]
    num_warmup = max(1, len(batches) // 20)

    def rate(step: int) -> float:
        return warmup_stable_decay(step, len(batches), len(batches) - num_warmup, num_warmup)

    losses = []
    for step, loss in each_step(batches, model, optimizers, rate):
        losses.append(loss)
        if step % 20 == 0 or step == len(batches):
            print(f"step {step}/{len(batches)} loss {sum(losses[-20:]) / len(losses[-20:]):.4f}", flush=True)
    write_model(model, tokenizer, out)
    return losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="file or folder of conversations")
    parser.add_argument("--model", type=Path, default=HERE)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--peak", type=float, default=5e-4, help="peak learning rate")
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(NUM_THREADS)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    encoded = [encode(tokenizer, messages) for messages in read_conversations(args.data)]
    kept = [example for example in encoded if len(example.tokens) <= args.max_tokens]
    print(f"{len(kept)} conversations, {len(encoded) - len(kept)} left out as too long", flush=True)
    if not kept:
        raise SystemExit(f"{args.data}: nothing to train on")
    finetune(kept, args.model, args.out, args.epochs, args.batch_size, args.peak, args.seed)


if __name__ == "__main__":
    main()
