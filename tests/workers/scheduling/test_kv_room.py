"""The bound on samples in an engine: what a running sample holds, and that little is computed twice in a simulation."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.kv_room import MeanOnly, NoBound, lengths, simulate
from workers.scheduling.kv_room import CACHE_SHARE, KvRoom

SCALE = 16
"""The simulation runs with shorter samples and a smaller cache than the benchmark, both by this factor."""


def test_a_running_sample_holds_more_than_half_of_the_mean_when_lengths_vary() -> None:
    dice = np.random.default_rng(1)
    room = KvRoom(1_000_000, 40_960)
    drawn = np.exp(dice.normal(6, 0.9, 20_000))
    held = []
    for tokens in drawn:
        room.add(int(tokens))
        held.append(room.tokens_held())
    expected = (drawn**2).mean() / (2 * drawn.mean())
    assert expected > 1.1 * drawn.mean()
    assert np.mean(held[1000:]) == pytest.approx(expected, rel=0.1)
    same = KvRoom(1_000_000, 40_960)
    for _ in range(1000):
        same.add(700)
    assert same.tokens_held() == pytest.approx(700, rel=0.01), "with equal lengths it is never less than one sample"
    assert same.limit() == int(CACHE_SHARE * 1_000_000 / same.tokens_held())


def test_the_first_guess_knows_the_greatest_length() -> None:
    assert KvRoom(1_000_000, 40_960).limit() == int(CACHE_SHARE * 1_000_000 / 8192)
    assert KvRoom(1_000_000, 100).limit() == int(CACHE_SHARE * 1_000_000 / 100)
    assert KvRoom(10, 4096).limit() == 1, "one sample always fits"
    assert KvRoom(0, 4096).limit() is None


@pytest.mark.parametrize(("cache", "mean"), [(1_800_000, 4000), (1_800_000, 12_000), (3_434_000, 12_000)])
def test_few_tokens_are_computed_twice(cache: int, mean: int) -> None:
    wanted = lengths(mean / SCALE, 2500, seed=3, longest=40_960 // SCALE)
    limits = {"capacity": cache // SCALE, "sequences": 1024, "longest": 40_960 // SCALE}
    ours = simulate(KvRoom, wanted, watermark=0.05, **limits)
    assert ours.useful == wanted.sum(), "every sample is drawn to its end"
    assert ours.recomputed_share < 0.05
    unbounded = simulate(NoBound, wanted, watermark=0.0, **limits)
    assert unbounded.recomputed_share > 0.1, "what the bound is for"
    assert simulate(MeanOnly, wanted, watermark=0.0, **limits).recomputed_share > 0.05, "what is new in the bound"
