"""Decontamination: which problems and solutions overlap with evaluation sets, each hit with its matching text.

The recipe is the one of the VibeThinker reports: lower case, no punctuation, runs of ten words. The index is a sorted
array of 64-bit hashes with the place of each n-gram, behind a bit filter that answers most look-ups with one memory
access; every match of hashes is confirmed on the words themselves, so a collision is never reported. Memory: 14 bytes
per word of the evaluation sets plus their texts, mapped from disk and shared by all processes.

Promises: finds every run of n words of an evaluation statement, and any statement shorter than n words where its words
stand in a row (shorter than WHOLE_BELOW: where they are the whole text), and in problem statements also where its words
are parted otherwise; reports file, item and the matching words.
Does not: find paraphrases, translations, or problems with other numbers in them. Sign-free words mean that `3 - 5` and
`3 + 5` are the same: a false hit costs one training problem, a missed one costs the evaluation.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.export.text_hashes import Tokens, chunks, ngrams, normalise, tokenize

FILTER_BITS_PER_GRAM = 16
"""Bits of the filter per n-gram. With one bit set in 16, only 6 % of foreign n-grams reach the binary search."""
BATCH_ITEMS = 1024
"""Number of evaluation items in memory at a time while the index is built."""
REPORT_CHARS = 300
WHOLE_BELOW = 5
"""Number of words below which a statement (`compute 2 2`) counts only if it is the whole of the other text."""
SQUEEZED_BELOW = 20
"""Number of words below which a statement is also compared without any white space: one word written as two (`d x` for
`dx`) breaks every run of ten."""
PREFIX = 20
"""Length in bytes from which on a statement without white space counts inside another text; a shorter one has to be all
of it."""
_WORD = re.compile(rb"[0-9a-z\x80-\xff]+")


@dataclasses.dataclass(frozen=True, slots=True)
class EvaluationItem:
    file: str
    id: str
    statement: str
    answer: str = ""
    solution: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Hit:
    """One overlap. `where` is prompt, text or answer."""

    file: str
    item: str
    where: str
    matching: str


def build_index(items: Iterable[EvaluationItem], folder: Path, n: int, answer_chars: int) -> int:
    """Writes the index of `items` to `folder` and returns how many n-grams it holds."""
    folder.mkdir(parents=True)
    hashes: list[npt.NDArray[np.uint64]] = []
    places: list[npt.NDArray[np.uint32]] = []
    lengths: set[int] = set()
    answers: dict[str, list[str]] = {}
    names: list[tuple[str, str]] = []
    offsets = [0]
    squeezed: dict[str, int] = {}
    with (folder / "words").open("wb") as words:
        for batch in batches(items, BATCH_ITEMS):
            for item in batch:
                if answer_chars and len(answer := plain_answer(item.answer)) >= answer_chars:
                    answers.setdefault(answer, [item.file, item.id])
            texts = pa.array([text for item in batch for text in (item.statement, item.solution)], pa.large_string())
            for start, normalised in chunks(normalise(texts)):
                tokens = tokenize(normalised).words()
                grams = ngrams(tokens, n)
                counts = tokens.counts()
                is_statement = np.arange(start, start + len(counts)) % 2 == 0
                # Only statements count when shorter than n words: `so the answer is 42` is in every solution.
                kept = (counts > 0) & (is_statement | (counts >= n))
                filled = np.flatnonzero(kept)
                # Only kept n-grams get a place.
                place = np.zeros(len(counts), np.uint32)
                place[filled] = np.arange(len(names), len(names) + len(filled), dtype=np.uint32)
                of_kept = kept[grams.text]
                hashes.append(grams.hashes[of_kept])
                places.append(place[grams.text[of_kept]])
                lengths.update(np.minimum(counts[filled], n).tolist())
                for at in filled.tolist():
                    item = batch[(start + at) // 2]
                    found = _WORD.findall(normalised[at].as_py().encode())
                    plain = b" ".join(found)
                    if is_statement[at] and len(found) < SQUEEZED_BELOW:
                        squeezed.setdefault(b"".join(found).decode(errors="surrogateescape"), len(names))
                    names.append((item.file, item.id))
                    words.write(plain + b"\n")
                    offsets.append(offsets[-1] + len(plain) + 1)
    keys = np.concatenate([*hashes, np.zeros(0, np.uint64)])
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    bits = max(1024, 1 << int(np.ceil(np.log2(max(1, len(keys)) * FILTER_BITS_PER_GRAM))))
    present = np.zeros(bits // 8, np.uint8)
    slots = (keys >> np.uint64(8)) & np.uint64(bits - 1)
    np.bitwise_or.at(present, slots >> np.uint64(3), (1 << (slots & np.uint64(7))).astype(np.uint8))
    np.save(folder / "hashes.npy", keys)
    np.save(folder / "places.npy", np.concatenate([*places, np.zeros(0, np.uint32)])[order])
    np.save(folder / "present.npy", present)
    np.save(folder / "offsets.npy", np.array(offsets, np.int64))
    table = {"n": n, "short": sorted(lengths - {n}), "names": names, "answers": answers, "squeezed": squeezed}
    (folder / "index.json").write_text(json.dumps(table))
    return len(keys)


def batches(items: Iterable[EvaluationItem], size: int) -> Iterator[list[EvaluationItem]]:
    stream = iter(items)
    while batch := list(itertools.islice(stream, size)):
        yield batch


class ContaminationIndex:
    """Reads what `build_index` wrote. Opening it maps the arrays and needs no memory of its own."""

    def __init__(self, folder: Path) -> None:
        table: dict[str, Any] = json.loads((folder / "index.json").read_text())
        self._n: int = table["n"]
        self._short: list[int] = table["short"]
        self._names: list[list[str]] = table["names"]
        self._answers: dict[str, list[str]] = table["answers"]
        self._squeezed = Squeezed(table["squeezed"])
        self._hashes = np.load(folder / "hashes.npy", mmap_mode="r")
        self._places = np.load(folder / "places.npy", mmap_mode="r")
        self._present = np.load(folder / "present.npy", mmap_mode="r")
        self._offsets = np.load(folder / "offsets.npy")
        self._words = np.memmap(folder / "words", np.uint8, "r") if self._offsets[-1] else np.zeros(0, np.uint8)

    def find(self, texts: pa.Array, where: str) -> dict[int, Hit]:
        """The first hit of each text that has one, by position in `texts`."""
        hits: dict[int, Hit] = {}
        for start, chunk in chunks(normalise(texts)):
            for at, hit in self.find_in_chunk(chunk, tokenize(chunk).words(), where):
                hits.setdefault(start + at, hit)
            if where != "prompt":
                continue
            for at in range(len(chunk)):
                if start + at not in hits and (found := self._squeezed.find(chunk[at].as_py())):
                    file, item = self._names[found[0]]
                    hits[start + at] = Hit(file, item, where, found[1][:REPORT_CHARS])
        return hits

    def find_in_chunk(self, normalised: pa.Array, words: Tokens, where: str) -> Iterator[tuple[int, Hit]]:
        """As `find`, for texts that are normalised and tokenised already. A text may come more than once."""
        if not len(self._hashes):
            return
        found: set[int] = set()
        for n in [self._n, *self._short]:
            grams = ngrams(words, n)
            for candidate in self._candidates(grams.hashes):
                text = int(grams.text[candidate])
                if text in found or (n < WHOLE_BELOW and words.offsets[text + 1] - words.offsets[text] != n):
                    continue
                first = int(grams.starts[candidate] - words.offsets[text])
                plain = _WORD.findall(normalised[text].as_py().encode())[first : first + n]
                if hit := self._confirm(grams.hashes[candidate], b" ".join(plain), where):
                    found.add(text)
                    yield text, hit

    def _candidates(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        slots = (hashes >> np.uint64(8)) & np.uint64(len(self._present) * 8 - 1)
        bit = (self._present[slots >> np.uint64(3)] >> (slots & np.uint64(7)).astype(np.uint8)) & 1
        maybe = np.flatnonzero(bit)
        at = np.minimum(np.searchsorted(self._hashes, hashes[maybe]), len(self._hashes) - 1)
        return maybe[self._hashes[at] == hashes[maybe]]

    def _confirm(self, key: np.uint64, plain: bytes, where: str) -> Hit | None:
        at = int(np.searchsorted(self._hashes, key))
        while at < len(self._hashes) and self._hashes[at] == key:
            place = int(self._places[at])
            words = self._words[self._offsets[place] : self._offsets[place + 1] - 1].tobytes()
            if b" " + plain + b" " in b" " + words + b" ":
                file, item = self._names[place]
                return Hit(file, item, where, plain.decode(errors="replace")[:REPORT_CHARS])
            at += 1
        return None

    def find_answer(self, answer: str) -> Hit | None:
        """An evaluation item with this long answer."""
        plain = plain_answer(answer)
        if plain and (named := self._answers.get(plain)):
            return Hit(named[0], named[1], "answer", plain[:REPORT_CHARS])
        return None


class Squeezed:
    """Short statements without any white space, and where each begins to look like one."""

    def __init__(self, places: Mapping[str, int]) -> None:
        self._places = {text.encode(errors="surrogateescape"): place for text, place in places.items()}
        self._by_prefix: dict[bytes, list[bytes]] = {}
        for text in self._places:
            if len(text) >= PREFIX:
                self._by_prefix.setdefault(text[:PREFIX], []).append(text)

    def find(self, normalised: str) -> tuple[int, str] | None:
        """The place of a statement that is the whole text, or a part of it that begins and ends between its words."""
        if not self._places:
            return None
        words = _WORD.findall(normalised.encode())
        text = b"".join(words)
        if text in self._places:
            return self._places[text], text.decode(errors="replace")
        starts = list(itertools.accumulate(map(len, words), initial=0))
        ends = set(starts)
        for start in starts[:-1] if self._by_prefix else ():
            for candidate in self._by_prefix.get(text[start : start + PREFIX], ()):
                if start + len(candidate) in ends and text.startswith(candidate, start):
                    return self._places[candidate], candidate.decode(errors="replace")
        return None


def plain_answer(answer: str) -> str:
    """The answer without white space and case. This recognises a copied answer; it is no equivalence check."""
    return "".join(answer.split()).lower()
