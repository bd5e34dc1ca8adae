"""What pretraining and fine-tuning share: chat examples, batches, the loss on completions, the optimizers.

Promises: with the same seed, data and thread count the same batches in the same order, also after a resume from a
checkpoint. Does not promise bit-equal weights across machines (floating-point sums differ).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from models.tiny_reasoner.tokenizer import END_OF_TEXT, TURN_END

NUM_THREADS = 2
IGNORED = -100


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
    """Token ids of a whole conversation; the first `num_prompt` of them bear no loss."""

    tokens: list[int]
    num_prompt: int


def new_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen2ForCausalLM:
    """2.1 million parameters, embeddings tied. Head width 32 is the smallest that vLLM's attention kernels take."""
    torch.manual_seed(seed)
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=5,
            num_attention_heads=6,
            num_key_value_heads=2,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.convert_tokens_to_ids(TURN_END),
            pad_token_id=tokenizer.convert_tokens_to_ids(END_OF_TEXT),
        )
    )


def encode(tokenizer: PreTrainedTokenizerFast, messages: Sequence[dict[str, str]]) -> Example:
    """The last message is the completion; it ends with the end-of-turn token, which the model learns to emit."""
    prompt = tokenizer.apply_chat_template(list(messages[:-1]), tokenize=False, add_generation_prompt=True)
    head = tokenizer.encode(prompt, add_special_tokens=False)
    tail = tokenizer.encode(messages[-1]["content"] + TURN_END, add_special_tokens=False)
    return Example(head + tail, len(head))


def cut_batches(examples: Iterable[Example], batch_size: int, rng: Random) -> list[list[Example]]:
    """Batches of near-equal length (little padding) in random order."""
    ordered = sorted(examples, key=lambda example: len(example.tokens))
    batches = [ordered[k : k + batch_size] for k in range(0, len(ordered), batch_size)]
    rng.shuffle(batches)
    return batches


def completion_loss(model: Qwen2ForCausalLM, batch: Sequence[Example]) -> torch.Tensor:
    """Mean cross-entropy (nats a token) over the completions. Padding is on the right, where causal attention never
    looks."""
    width = max(len(example.tokens) for example in batch)
    tokens = torch.zeros(len(batch), width, dtype=torch.long)
    labels = torch.full((len(batch), width), IGNORED)
    for row, example in enumerate(batch):
        ids = torch.tensor(example.tokens)
        tokens[row, : len(ids)] = ids
        labels[row, example.num_prompt - 1 : len(ids) - 1] = ids[example.num_prompt :]
    tokens, labels = tokens.to(model.device), labels.to(model.device)
    hidden = model.model(tokens, use_cache=False).last_hidden_state
    chosen = labels != IGNORED
    return functional.cross_entropy(model.lm_head(hidden[chosen]), labels[chosen])


class Optimizers:
    """Muon for the matrices inside the layers, AdamW for the embedding, norms and biases; one learning rate for both
    (Muon's update is scaled to AdamW's size)."""

    def __init__(self, model: Qwen2ForCausalLM, peak: float) -> None:
        matrices, others = [], []
        for name, parameter in model.named_parameters():
            (matrices if parameter.ndim == 2 and "layers" in name else others).append(parameter)
        self.peak = peak
        self._parameters = matrices + others
        self._parts = (
            torch.optim.Muon(matrices, lr=peak, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=peak, betas=(0.9, 0.98), weight_decay=0.0),
        )

    def step(self, loss: torch.Tensor, rate: float) -> None:
        """One update at `rate` times the peak learning rate."""
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = self.peak * rate
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        return [part.state_dict() for part in self._parts]

    def load_state_dict(self, states: Sequence[dict[str, Any]]) -> None:
        for part, state in zip(self._parts, states, strict=True):
            part.load_state_dict(state)


def warmup_stable_decay(step: int, num_steps: int, num_decay: int, num_warmup: int = 100) -> float:
    """Share of the peak learning rate at `step`: linear up, flat, then a half cosine to 2 % over the last `num_decay`.

    Flat in the middle, so that a run can be lengthened, or ended early, from a checkpoint without having been wrong so
    far (https://arxiv.org/abs/2404.06395).
    """
    rate = min(1.0, (step + 1) / num_warmup)
    left = num_steps - step
    if left < num_decay:
        rate *= 0.02 + 0.98 * (0.5 - 0.5 * math.cos(math.pi * left / num_decay))
    return rate


def save_checkpoint(path: Path, **state: Any) -> None:
    """Replaces `path` in one step: a kill leaves the old checkpoint or the new one."""
    temporary = path.with_suffix(".partial")
    torch.save(state, temporary)
    temporary.replace(path)


def write_model(model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    """A Hugging Face model directory: config, generation defaults, float32 safetensors, tokenizer."""
    from models.tiny_reasoner.tokenizer import write_tokenizer

    model.generation_config.temperature = 1.0
    model.generation_config.do_sample = True
    model.generation_config.eos_token_id = model.config.eos_token_id
    model.generation_config.pad_token_id = model.config.pad_token_id
    model.save_pretrained(directory)
    write_tokenizer(tokenizer, directory)


def each_step(
    batches: Iterable[Sequence[Example]],
    model: Qwen2ForCausalLM,
    optimizers: Optimizers,
    rate: Callable[[int], float],
    first_step: int = 0,
) -> Iterable[tuple[int, float]]:
    """Trains on the batches one after the other; yields (number of steps done, loss) after each."""
    model.train()
    for step, batch in enumerate(batches, first_step):
        loss = completion_loss(model, batch)
        optimizers.step(loss, rate(step))
        yield step + 1, loss.item()
