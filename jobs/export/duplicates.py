"""Samples seen so far, across problems, buckets and earlier exports: exact and near duplicates in bounded memory.

A sample's fingerprint is 72 bytes: a 64-bit hash of prompt and text, and 32 16-bit values of MinHash signatures (b-bit
minwise hashing, Li and König, 2010). Two samples agree in a value only where both the shingles of the text alone and
those of prompt and text together agree in it. So a long shared prompt cannot hide different texts, nor the reverse.
Near duplicates are found by bands of four values and confirmed on the whole signature. Bands are kept in sorted runs
that are merged as they grow (a log-structured merge), so a million samples take about 170 MB.

Promises: of two duplicates the earlier stays; the answer depends on the order of `admit` calls only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from jobs.export.text_hashes import NUM_HASHES, mix, similarity

U64 = npt.NDArray[np.uint64]
Signatures16 = npt.NDArray[np.uint16]

FINGERPRINT = np.dtype([("exact", np.uint64), ("signatures", np.uint16, (NUM_HASHES,))])
BANDS = NUM_HASHES // 4
"""Number of bands. At similarity 0.9, 0.8 and 0.7 a pair shares a band with probability 0.9998, 0.985 and 0.89."""
MAX_PER_KEY = 16
"""Number of earlier samples compared per band value, so that a phrase in every text does not make this quadratic."""

NEW, EXACT, NEAR, EARLIER = 0, 1, 2, 3


class SortedRuns:
    """A multimap from uint64 to uint32: sorted arrays, each at least twice as long as the next."""

    def __init__(self) -> None:
        self._runs: list[tuple[U64, npt.NDArray[np.uint32]]] = []

    def add(self, keys: U64, values: npt.NDArray[np.uint32]) -> None:
        order = np.argsort(keys, kind="stable")
        self._runs.append((keys[order], values[order]))
        while len(self._runs) > 1 and len(self._runs[-2][0]) < 2 * len(self._runs[-1][0]):
            (last_keys, last), (keys, values) = self._runs.pop(), self._runs.pop()
            keys, values = np.concatenate([keys, last_keys]), np.concatenate([values, last])
            order = np.argsort(keys, kind="stable")
            self._runs.append((keys[order], values[order]))

    def find(self, keys: U64) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
        """(position in `keys`, value) of at most MAX_PER_KEY matches per key and run."""
        positions, values = [np.zeros(0, np.int64)], [np.zeros(0, np.uint32)]
        for run_keys, run_values in self._runs:
            at = np.searchsorted(run_keys, keys)
            active = np.arange(len(keys))
            for _ in range(MAX_PER_KEY):
                inside = at < len(run_keys)
                active, at = active[inside], at[inside]
                same = run_keys[at] == keys[active]
                active, at = active[same], at[same]
                if not len(active):
                    break
                positions.append(active)
                values.append(run_values[at])
                at = at + 1
        return np.concatenate(positions), np.concatenate(values)


class SeenSamples:
    def __init__(self, near: float) -> None:
        self._near = near
        self._exact = SortedRuns()
        self._bands = SortedRuns()
        self._signatures = np.zeros((1024, NUM_HASHES), np.uint16)
        self._size = 0
        self._num_earlier = 0

    def add_earlier(self, fingerprints: npt.NDArray[np.void]) -> None:
        """Samples of an earlier export; to be called before the first `admit`."""
        self._store(fingerprints)
        self._num_earlier = self._size

    def admit(self, fingerprints: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
        """The outcome of each sample: NEW if it is unlike all before it. Only new samples are remembered."""
        outcome = np.zeros(len(fingerprints), np.uint8)
        exact = np.ascontiguousarray(fingerprints["exact"])
        positions, earlier = self._exact.find(exact)
        outcome[positions] = np.where(earlier < self._num_earlier, EARLIER, EXACT)
        _, first, group = np.unique(exact, return_index=True, return_inverse=True)
        again = np.ones(len(exact), bool)
        again[first] = False
        outcome[again & (outcome == NEW)] = EXACT
        if self._near:
            self._mark_near(fingerprints["signatures"], outcome)
        outcome[again & (outcome[first[group]] == EARLIER)] = EARLIER
        self._store(fingerprints[outcome == NEW])
        return outcome

    def _mark_near(self, signatures: Signatures16, outcome: npt.NDArray[np.uint8]) -> None:
        fresh = np.flatnonzero(outcome == NEW)
        keys, owners = band_keys(signatures[fresh])
        at, earlier = self._bands.find(keys)
        samples = fresh[owners[at]]
        alike = similarity(signatures[samples], self._signatures[earlier]) >= self._near
        outcome[samples[alike]] = NEAR
        # Among several neighbours, one from an earlier export decides: without `across_problems` only those count.
        outcome[samples[alike & (earlier < self._num_earlier)]] = EARLIER
        # Within the batch: samples that share a band value are neighbours once sorted.
        order = np.argsort(keys, kind="stable")
        keys, owners = keys[order], fresh[owners[order]]
        found: set[tuple[int, int]] = set()
        for distance in range(1, MAX_PER_KEY + 1):
            same = np.flatnonzero(keys[distance:] == keys[:-distance])
            if not len(same):
                break
            first, second = owners[same], owners[same + distance]
            alike = similarity(signatures[first], signatures[second]) >= self._near
            found.update(zip(first[alike].tolist(), second[alike].tolist(), strict=True))
        for later, before in sorted((max(pair), min(pair)) for pair in found):
            if outcome[later] == NEW and outcome[before] == NEW:
                outcome[later] = NEAR

    def _store(self, fingerprints: npt.NDArray[np.void]) -> None:
        if not len(fingerprints):
            return
        end = self._size + len(fingerprints)
        ids = np.arange(self._size, end, dtype=np.uint32)
        self._exact.add(np.ascontiguousarray(fingerprints["exact"]), ids)
        if self._near:
            if end > len(self._signatures):
                grown = np.zeros((max(end, 2 * len(self._signatures)), NUM_HASHES), np.uint16)
                grown[: self._size] = self._signatures[: self._size]
                self._signatures = grown
            self._signatures[self._size : end] = fingerprints["signatures"]
            keys, owners = band_keys(fingerprints["signatures"])
            self._bands.add(keys, ids[owners])
        self._size = end


def band_keys(signatures: Signatures16) -> tuple[U64, npt.NDArray[np.int64]]:
    """Band values of each signature and the sample that each belongs to, sample by sample."""
    packed = np.ascontiguousarray(signatures).view(np.uint64).reshape(-1, BANDS)
    keys = mix(packed ^ (np.arange(1, BANDS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)))
    return keys.reshape(-1), np.repeat(np.arange(len(signatures)), BANDS)


def fingerprints(exact: U64, signatures: npt.NDArray[np.uint32 | np.uint64]) -> npt.NDArray[np.void]:
    result = np.zeros(len(exact), FINGERPRINT)
    result["exact"] = exact
    result["signatures"] = signatures.astype(np.uint16)  # the low bits of each minimum
    return result
