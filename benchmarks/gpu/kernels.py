"""What decides a decode step's time, measured with torch alone, for a machine without vLLM.

The sizes are those of VibeThinker-3B: 36 layers of width 2,048, 16 heads on 2 KV heads of 128, a vocabulary of 151,936.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

LAYERS, WIDTH, INNER, HEADS, KV_HEADS, HEAD = 36, 2048, 11_008, 16, 2, 128
VOCABULARY = 151_936


def median_ms(work: Callable[[], Any], synchronise: Callable[[], None], rounds: int = 7) -> float:
    """Median time of `work` in milliseconds, after one round that does not count."""
    times = []
    for turn in range(rounds + 1):
        synchronise()
        began = time.perf_counter()
        work()
        synchronise()
        if turn:
            times.append(1000 * (time.perf_counter() - began))
    return sorted(times)[len(times) // 2]


def measure_kernels(tell: Callable[..., None], dry: bool) -> None:
    """Prints matrix products per step, attention's reads and sampling, each as one line of figures."""
    import torch

    device = "cpu" if dry else "cuda"
    dtype = torch.float32 if dry else torch.bfloat16
    synchronise = (lambda: None) if dry else torch.cuda.synchronize
    layers, vocabulary = (1, 4096) if dry else (LAYERS, VOCABULARY)

    shapes = [(WIDTH, (HEADS + 2 * KV_HEADS) * HEAD), (HEADS * HEAD, WIDTH), (WIDTH, 2 * INNER), (INNER, WIDTH)]
    weights = [torch.randn(shape, device=device, dtype=dtype) for shape in shapes]
    for batch in (4,) if dry else (64, 256, 512, 1024):
        inputs = [torch.randn((batch, shape[0]), device=device, dtype=dtype) for shape in shapes]

        def products(inputs: list[Any] = inputs) -> None:
            for _ in range(layers):
                for left, right in zip(inputs, weights, strict=True):
                    torch.mm(left, right)

        tell(step="kernels", what="matrix products", batch=batch, ms=round(median_ms(products, synchronise), 3))

    batch, length = (2, 256) if dry else (256, 11_000)
    query = torch.randn((batch, HEADS, 1, HEAD), device=device, dtype=dtype)
    cache = [torch.randn((batch, KV_HEADS, length, HEAD), device=device, dtype=dtype) for _ in range(2)]

    def attention() -> None:
        torch.nn.functional.scaled_dot_product_attention(query, *cache, enable_gqa=True)

    ms = median_ms(attention, synchronise)
    read = sum(one.numel() * one.element_size() for one in cache)
    tell(step="kernels", what="attention of one layer", batch=batch, length=length, ms=round(ms, 3),
         terabytes_per_s=round(read / ms / 1e9, 3))  # fmt: skip

    for batch in (4,) if dry else (256, 1024):
        logits = torch.randn((batch, vocabulary), device=device)
        generators = [torch.Generator(device=device).manual_seed(i) for i in range(batch)]
        noise = torch.empty_like(logits)

        def unseeded(logits: Any = logits, noise: Any = noise) -> None:
            (logits.softmax(-1) / noise.exponential_()).argmax(-1)

        def seeded(logits: Any = logits, noise: Any = noise, generators: list[Any] = generators) -> None:
            for row, generator in zip(noise, generators, strict=True):
                row.exponential_(generator=generator)
            (logits.softmax(-1) / noise).argmax(-1)

        def nucleus(logits: Any = logits) -> None:
            ordered, _ = logits.softmax(-1).sort(-1, descending=True)
            (ordered.cumsum(-1) > 0.95).sum(-1)

        def logprobs(logits: Any = logits) -> None:
            logits.log_softmax(-1).gather(-1, logits.argmax(-1, keepdim=True))

        for name, work in (("sampling", unseeded), ("sampling, a generator per sample", seeded),
                           ("top_p by sorting", nucleus), ("log-probabilities", logprobs)):  # fmt: skip
            tell(step="kernels", what=name, batch=batch, ms=round(median_ms(work, synchronise), 3))
