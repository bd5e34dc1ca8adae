"""How many samples one engine may hold at once without filling its KV cache.

An engine whose cache is full preempts a running sample and later computes all its tokens anew. So the bound has to know
how much a running sample holds. In a steady state that is E[L²] / 2E[L] tokens, where L is the length of a sample. Long
samples are met more often than short ones, by their length, and half-way through on average: the mean age of a renewal
process (W. Feller, "An Introduction to Probability Theory and Its Applications", volume 2, XI.4). The mean length alone
is too small as soon as lengths vary much.

Pure: no clock and no engine.
"""

from __future__ import annotations

FIRST_TOKENS = 8192
"""Guess of a sample's length before the first ones have finished, where `max_tokens` allows it. Samples that start
together also grow together, and the short ones finish first: a small guess would let in more than the cache holds."""
MEAN_WEIGHT = 0.02
"""Weight of the newest sample in the running means: they follow a change of the problems within some fifty samples, and
one very long sample moves the room for others by two percent of its length at most."""
CACHE_SHARE = 0.92
"""Share of the cache that samples may be expected to fill; the rest is for chance."""


class KvRoom:
    """Follows the lengths of finished samples."""

    def __init__(self, capacity_tokens: int, max_tokens: int) -> None:
        self.capacity_tokens = capacity_tokens
        """Tokens that the KV cache holds; 0 = no bound. `max_tokens` 0: the longest sample is not known."""
        first = float(min(max_tokens or FIRST_TOKENS, FIRST_TOKENS))
        self._mean = first
        self._mean_square = first * first

    def add(self, tokens: int) -> None:
        """Takes in the length of a sample that ended by itself, prompt included. An aborted sample says nothing about
        how long samples become."""
        self._mean += MEAN_WEIGHT * (tokens - self._mean)
        self._mean_square += MEAN_WEIGHT * (tokens * tokens - self._mean_square)

    def tokens_held(self) -> float:
        """Tokens that one running sample is expected to hold."""
        return max(self._mean, self._mean_square / (2 * self._mean))

    def limit(self) -> int | None:
        """The most samples to run at once; None: no bound."""
        if not self.capacity_tokens:
            return None
        return max(1, int(CACHE_SHARE * self.capacity_tokens / max(1.0, self.tokens_held())))
