"""What the run has shown so far about pass rates, by domain: Beta priors fitted by maximum likelihood.

Within a domain the pass rates of problems follow Beta(a, b), so verified counts are beta-binomial. How a problem was
stopped does not enter its likelihood, so every problem with a verdict counts, open ones too. A domain with few problems
borrows from the whole run, which counts like at most `POOL_WEIGHT` problems of the domain.

Used to rank problems and to choose plans before problems are opened, and never by workers.sampling.estimates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from scipy.special import betaln

POOL_WEIGHT = 8.0
DEFAULT = (1.0, 1.0)
"""Uniform prior, assumed before the first fit."""

_MEANS = np.array([0.002, 0.005, 0.01, 0.02, 0.04, 0.07, *np.arange(0.1, 0.95, 0.05), 0.96, 0.98, 0.99])
_STRENGTHS = np.array([0.1, 0.2, 0.35, 0.6, 1.0, 1.6, 2.5, 4.0, 7.0, 12.0, 25.0])
_A = np.outer(_MEANS, _STRENGTHS).ravel()
_B = np.outer(1 - _MEANS, _STRENGTHS).ravel()
_BASE = betaln(_A, _B)

Counts = Mapping[tuple[int, int], int]


def fit_prior(domain: Counts, run: Counts) -> tuple[float, float]:
    """(a, b) of one domain. Both map (verified, failed) of a problem to the number of problems with these counts.

    A grid search (29 means, 11 strengths). It is smooth enough for ranking and, unlike an optimiser, cannot fail to
    converge.
    """
    score = _log_likelihood(domain)
    size = sum(run.values())
    if size:
        score = score + _log_likelihood(run) * min(1.0, POOL_WEIGHT / size)
    best = int(np.argmax(score))
    return float(_A[best]), float(_B[best])


def _log_likelihood(counts: Counts) -> np.ndarray:
    """The log-likelihood at every grid point."""
    if not counts:
        return np.zeros_like(_A)
    pairs = np.array(list(counts), dtype=float)
    weights = np.array(list(counts.values()), dtype=float)
    terms = betaln(pairs[:, :1] + _A, pairs[:, 1:] + _B) - _BASE
    return np.asarray(weights @ terms)


class PassRates:
    """Counts of (verified, failed) by domain, and the tokens they took."""

    def __init__(self) -> None:
        self.run: Counter[tuple[int, int]] = Counter()
        self.domains: dict[str, Counter[tuple[int, int]]] = {}
        self.tokens: dict[str, tuple[int, int]] = {}
        """Domain → (tokens, samples)."""
        self.num_useful = 0
        self.num_tokens = 0
        self.num_samples = 0

    def move(self, domain: str, before: tuple[int, int], after: tuple[int, int], tokens: int, useful: int) -> None:
        """Records that a sample of `tokens` tokens changed one problem's counts from `before` to `after`."""
        counts = self.domains.get(domain)
        if counts is None:
            counts = self.domains[domain] = Counter()
        for table in (self.run, counts):
            if before != (0, 0):
                table[before] -= 1
                if not table[before]:
                    del table[before]
            table[after] += 1
        total, samples = self.tokens.get(domain, (0, 0))
        self.tokens[domain] = (total + tokens, samples + 1)
        self.num_tokens += tokens
        self.num_samples += 1
        self.num_useful += useful

    def tokens_per_sample(self, domain: str) -> float:
        """Mean tokens per sample of the domain; of the run if the domain is new; 1 before the first verdict."""
        tokens, samples = self.tokens.get(domain, (self.num_tokens, self.num_samples))
        return max(1.0, tokens / samples) if samples else 1.0
