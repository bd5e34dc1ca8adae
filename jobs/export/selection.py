"""Which samples of one problem are exported. All functions are pure and deterministic.

Indices are positions within the problem's candidates, in order of sample index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from jobs.export.text_hashes import similarity

Signatures = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float64]

MAX_COMPARED = 1024
"""Number of candidates of one problem whose texts are compared pairwise. Further ones are left out."""
COMPARED_AT_ONCE = 4096
"""Number of pairs of signatures in memory at a time."""


def similarities(signatures: Signatures) -> Floats:
    """(n, n) estimated Jaccard similarities."""
    count = len(signatures)
    result = np.zeros((count, count))
    step = max(1, COMPARED_AT_ONCE // max(count, 1))
    for start in range(0, count, step):
        result[start : start + step] = similarity(signatures[start : start + step, None], signatures[None])
    return result


def near_duplicates(matrix: Floats, threshold: float) -> npt.NDArray[np.bool_]:
    """True for every candidate that is at least `threshold` similar to an earlier one that is kept."""
    dropped = np.zeros(len(matrix), bool)
    if np.count_nonzero(matrix >= threshold) <= len(matrix):  # nothing but the diagonal
        return dropped
    later, earlier = np.nonzero(np.tril(matrix, -1) >= threshold)
    for at, before in zip(later.tolist(), earlier.tolist(), strict=True):  # in order of `later`
        if not dropped[before]:
            dropped[at] = True
    return dropped


def clusters(matrix: Floats, threshold: float) -> int:
    """Connected components of the graph of pairs that are at least `threshold` similar."""
    alike = matrix >= threshold
    if np.count_nonzero(alike) == len(matrix):  # nothing but the diagonal
        return len(matrix)
    left = np.ones(len(matrix), bool)
    count = 0
    for seed in range(len(matrix)):
        if not left[seed]:
            continue
        count += 1
        frontier = np.zeros(len(matrix), bool)
        frontier[seed] = True
        while frontier.any():
            left &= ~frontier
            frontier = alike[frontier].any(axis=0) & left
    return count


def diverse(matrix: Floats, lengths: npt.NDArray[np.int64], k: int) -> list[int]:
    """Farthest-first traversal (Gonzalez, 1985) from the sample of median length: at most k, each as unlike the chosen
    ones as the candidates allow, which is within a factor two of the best possible spread."""
    if not len(matrix):
        return []
    chosen = [middle(lengths, 1)[0]]
    nearest = matrix[chosen[0]].copy()
    nearest[chosen[0]] = np.inf
    while len(chosen) < min(k, len(matrix)):
        following = int(np.argmin(nearest))
        chosen.append(following)
        nearest = np.maximum(nearest, matrix[following])
        nearest[following] = np.inf
    return chosen


def shortest(lengths: npt.NDArray[np.int64], k: int) -> list[int]:
    return [int(at) for at in np.argsort(lengths, kind="stable")[:k]]


def middle(lengths: npt.NDArray[np.int64], k: int) -> list[int]:
    """The k candidates nearest to the median length."""
    ordered = np.sort(lengths)
    median = (int(ordered[(len(ordered) - 1) // 2]) + int(ordered[len(ordered) // 2])) / 2 if len(ordered) else 0.0
    distance = np.abs(lengths - median)
    return [int(at) for at in np.argsort(distance, kind="stable")[:k]]


def by_score(scores: Floats, k: int) -> list[int]:
    """The k candidates with the highest scores, highest first."""
    return [int(at) for at in np.argsort(-scores, kind="stable")[:k]]


def pairs(
    chosen_lengths: npt.NDArray[np.int64],
    rejected_lengths: npt.NDArray[np.int64],
    hardness: Floats,
    k: int,
    length_ratio: float,
) -> list[tuple[int, int]]:
    """At most k (chosen, rejected) pairs, hard negatives first, each sample in one pair.

    The hardest rejected takes the chosen of the nearest length; it stays alone when none is within `length_ratio`.
    """
    result: list[tuple[int, int]] = []
    free = list(range(len(chosen_lengths)))
    logs = np.log(np.maximum(chosen_lengths, 1))
    for rejected in np.argsort(-hardness, kind="stable"):
        if not free or len(result) == k:
            break
        length = math.log(max(int(rejected_lengths[rejected]), 1))
        nearest = min(free, key=lambda at: abs(logs[at] - length))
        if abs(logs[nearest] - length) <= math.log(length_ratio) + 1e-12:
            free.remove(nearest)
            result.append((nearest, int(rejected)))
    return result


def mgpo_weight(pass_rate: float, gamma: float) -> float:
    """exp(-γ · KL(p ‖ ½)), MGPO's weight of a problem (VibeThinker, arXiv 2511.06221): 1 at p = ½, 2^-γ at 0 and 1.

    >>> mgpo_weight(0.5, 1.0), round(mgpo_weight(1.0, 1.0), 6)
    (1.0, 0.5)
    """
    divergence = sum(share * math.log(2 * share) for share in (pass_rate, 1 - pass_rate) if share > 0)
    return math.exp(-gamma * divergence)


def long2short(lengths: Sequence[int], scale: float = 0.2, reward: float = 1.0) -> list[float]:
    """Rewards r' = r + scale · (s - s̄) / max|s - s̄|, s = 1 / length, over the verified samples of one problem.

    From the VibeThinker-3B report (arXiv 2606.16140). The terms add up to zero; one length for all gives r to all.

    >>> [round(value, 3) for value in long2short([100, 200])]
    [1.2, 0.8]
    """
    inverse = [1 / max(length, 1) for length in lengths]
    mean = sum(inverse) / max(len(inverse), 1)
    largest = max((abs(value - mean) for value in inverse), default=0.0)
    if largest < 1e-15:
        return [reward] * len(inverse)
    return [reward + scale * (value - mean) / largest for value in inverse]
