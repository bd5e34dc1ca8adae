"""Texts as token hashes: the one pass over the characters that duplicates, loops and decontamination share.

A token is a run of letters and digits, or one other visible character; each Han, Kana or Hangul character is a token
of its own. Texts are lower-cased and, where not ASCII, NFKC-normalised and without invisible characters. Everything is
numpy on the Arrow buffers, in chunks that stay in the cache: about 20 ns per byte, where a Python loop over words takes
ten times that.

Promises: equal token sequences give equal hashes on every machine; unequal ones collide with probability 2⁻⁶⁴ per pair,
unless an attacker makes them collide (the hash is not cryptographic, so decisions that a collision could spoil are
confirmed on the text).
"""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CHUNK_BYTES = 96 << 10
SHINGLE = 5
"""Number of tokens of a shingle. Near duplicates are texts that share most of their shingles."""
NUM_HASHES = 32
"""Length of a MinHash signature; the similarity it estimates has a standard error of at most 0.09."""
LONGEST_TOKEN = 64
"""Number of bytes of a token that enter its hash. Only noise has longer words."""

_random = np.random.default_rng(0x5EED)
_POSITION = _random.integers(1, 2**63, LONGEST_TOKEN, dtype=np.uint64) | np.uint64(1)
_ORDER = _random.integers(1, 2**63, 64, dtype=np.uint64) | np.uint64(1)
_PERMUTATION = _random.integers(1, 2**63, NUM_HASHES, dtype=np.uint64) | np.uint64(1)

_SPACE, _WORD, _SIGN = 0, 1, 2
_CLASS = np.full(256, _SPACE, np.uint8)
_CLASS[33:127] = _SIGN
for _first, _last in ((48, 57), (65, 90), (97, 122), (128, 255)):
    _CLASS[_first : _last + 1] = _WORD
_CLASSES = _CLASS.tobytes()
_SPACES = bytes(np.flatnonzero(_CLASS == _SPACE).tolist())


@dataclasses.dataclass(frozen=True, slots=True)
class Tokens:
    """Token hashes of consecutive texts: text i has hashes[offsets[i]:offsets[i + 1]]."""

    hashes: U64
    is_word: Bools
    offsets: I64
    """Where each text begins; one more entry than there are texts."""

    @property
    def num_texts(self) -> int:
        return len(self.offsets) - 1

    def counts(self) -> I64:
        return np.diff(self.offsets)

    def words(self) -> Tokens:
        """The tokens that are words and numbers: the text without punctuation."""
        before = np.concatenate([[0], np.cumsum(self.is_word)])
        return Tokens(self.hashes[self.is_word], self.is_word[self.is_word], before[self.offsets])


_ENTITY = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
"""A character as HTML writes it."""
_ACCENT = r"[\x{0300}-\x{036f}\x{1ab0}-\x{1aff}\x{1dc0}-\x{1dff}\x{20d0}-\x{20ff}\x{fe20}-\x{fe2f}]"
"""Marks that stand over or under a letter of any script that has them as an addition."""
_LOOKALIKES = dict(
    zip(
        map(ord, "авекмнорстухіјѕԁԛԝһӏьԍԑ" + "αβεζηικμνορτυχϲ" + "ɑɡı"),
        "abekmhopctyxijsdqwhlbge" + "abezhikmvoptuxc" + "agi",
        strict=True,
    )
)
"""Small Cyrillic, Greek and other letters that look like Latin ones, or whose capitals do."""
_MAY_LOOK_ALIKE = r"[\x{0370}-\x{052f}ɑɡı]"


def normalise(texts: pa.Array) -> pa.Array:
    """Lower case, and characters for HTML's names of them; texts beyond ASCII also NFKC, without accents, in Latin
    letters where others look like them, and with every sign but letters and digits of any script set apart."""
    texts = texts.cast(pa.large_string()).fill_null("")
    texts = changed(texts, pc.match_substring_regex(texts, _ENTITY), html.unescape)
    lowered = pc.utf8_lower(texts)
    ascii_only = pc.string_is_ascii(lowered)
    if not pc.all(ascii_only).as_py():
        other = pc.invert(ascii_only)
        # NFKC makes capitals of its own (ℝ → R), so the lower case is taken again.
        apart = pc.utf8_normalize(lowered.filter(other), form="NFKD")
        plain = pc.replace_substring_regex(apart, pattern=_ACCENT, replacement="")
        rich = pc.utf8_lower(pc.utf8_normalize(plain, form="NFKC"))
        rich = changed(rich, pc.match_substring_regex(rich, _MAY_LOOK_ALIKE), lambda text: text.translate(_LOOKALIKES))
        # Soft hyphens and zero-width characters stand inside words and are invisible.
        rich = pc.replace_substring_regex(rich, pattern=r"\p{Cf}", replacement="")
        rich = pc.replace_substring_regex(
            rich, pattern=r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}])", replacement=r" \1 "
        )
        # Signs beyond ASCII would otherwise be read as letters.
        rich = pc.replace_substring_regex(rich, pattern=r"([^\x00-\x7f\p{L}\p{N}\p{M}])", replacement=r" ")
        lowered = pc.replace_with_mask(lowered, other, rich.cast(pa.large_string()))
    return lowered


def changed(texts: pa.Array, mask: pa.Array, change: Callable[[str], str]) -> pa.Array:
    """`texts` with those in `mask` changed."""
    if not pc.any(mask).as_py():
        return texts
    new = pa.array([change(text) for text in texts.filter(mask).to_pylist()], texts.type)
    return pc.replace_with_mask(texts, mask, new)


def chunks(texts: pa.Array, num_bytes: int = CHUNK_BYTES) -> Iterator[tuple[int, pa.Array]]:
    """Consecutive slices of `texts` of about `num_bytes` (at least one text), each with its start."""
    lengths = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
    ends = np.cumsum(lengths)
    start = 0
    while start < len(texts):
        base = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, base + num_bytes, side="right")))
        yield start, texts.slice(start, stop - start)
        start = stop


def tokenize(normalised: pa.Array) -> Tokens:
    """Token hashes of a chunk of texts that `normalise` has seen."""
    normalised = pa.concat_arrays([normalised])  # a slice keeps its parent's buffers; a copy starts at offset 0
    _, offsets_buffer, data_buffer = normalised.buffers()
    ends = np.frombuffer(offsets_buffer, np.int64, len(normalised) + 1) if len(normalised) else np.zeros(1, np.int64)
    low, high = int(ends[0]), int(ends[-1])
    if low == high:
        return Tokens(np.zeros(0, np.uint64), np.zeros(0, bool), np.zeros(len(normalised) + 1, np.int64))
    data = bytes(memoryview(data_buffer)[low:high])
    ends = ends - low
    classes = np.frombuffer(data.translate(_CLASSES), np.uint8)
    is_start = classes != _SPACE
    # A word continues where the byte before it belongs to the same text and also to a word.
    goes_on = (classes[1:] == _WORD) & (classes[:-1] == _WORD)
    is_start[1:] &= ~goes_on
    first = ends[:-1][np.diff(ends) > 0]
    is_start[first] = classes[first] != _SPACE
    starts = np.flatnonzero(is_start)
    if not len(starts):
        return Tokens(np.zeros(0, np.uint64), np.zeros(0, bool), np.zeros(len(normalised) + 1, np.int64))
    inside = classes != _SPACE
    # Once the spaces are out, each token's bytes are consecutive and end where the next one begins.
    begins = np.flatnonzero(is_start[inside])
    values = np.frombuffer(data.translate(None, _SPACES), np.uint8).astype(np.uint64)
    position = np.arange(len(values)) - np.repeat(begins, np.diff(begins, append=len(values)))
    values += np.uint64(1)
    values *= _POSITION.take(position, mode="clip")
    hashes = mix(np.add.reduceat(values, begins))
    return Tokens(hashes, classes[starts] == _WORD, np.searchsorted(starts, ends).astype(np.int64))


def mix(values: U64) -> U64:
    """Finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every input bit reaches every output bit."""
    values = values ^ (values >> np.uint64(30))
    values = values * np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


@dataclasses.dataclass(frozen=True, slots=True)
class Ngrams:
    """Hashes of the n-grams of consecutive texts; `starts` is each one's first token, within the chunk."""

    hashes: U64
    text: I64
    starts: I64
    offsets: I64


def ngrams(tokens: Tokens, n: int) -> Ngrams:
    """All runs of n tokens of each text; a shorter text with any token gives one, of all its tokens."""
    counts = tokens.counts()
    per_text = np.where(counts == 0, 0, np.maximum(1, counts - n + 1))
    offsets = np.concatenate([[0], np.cumsum(per_text)])
    text = np.repeat(np.arange(tokens.num_texts), per_text)
    starts = tokens.offsets[text] + np.arange(offsets[-1]) - offsets[text]
    padded = np.concatenate([tokens.hashes, np.zeros(n, np.uint64)])
    number = len(tokens.hashes)
    # Sums are made at every token, even across the ends of texts: slices are cheaper than picking places n times.
    sums = padded[:number] * _ORDER[0]
    for at in range(1, n):
        sums += padded[at : at + number] * _ORDER[at]
    total = sums[starts]
    if short := np.flatnonzero((counts > 0) & (counts < n)).tolist():
        for at in short:
            own = tokens.hashes[tokens.offsets[at] : tokens.offsets[at + 1]]
            total[offsets[at]] = np.add.reduce(own * _ORDER[: len(own)])
    return Ngrams(mix(total), text, starts, offsets)


def signatures(grams: Ngrams) -> npt.NDArray[np.uint32]:
    """MinHash (Broder, 1997) of each text's shingles: (texts, NUM_HASHES); all ones for a text without tokens."""
    num_texts = len(grams.offsets) - 1
    result = np.full((num_texts, NUM_HASHES), 0xFFFFFFFF, np.uint32)
    filled = np.flatnonzero(np.diff(grams.offsets))
    if len(filled):
        begins = grams.offsets[filled]
        for at in range(NUM_HASHES):
            permuted = ((grams.hashes * _PERMUTATION[at]) >> np.uint64(32)).astype(np.uint32)
            result[filled, at] = np.minimum.reduceat(permuted, begins)
    return result


def repeated_share(grams: Ngrams) -> npt.NDArray[np.float64]:
    """Share of each text's n-grams that occurred earlier in it."""
    num_texts = len(grams.offsets) - 1
    # One integer holds the text above the hash, so one plain sort groups both; 40 bits of hash suffice per text.
    keys = np.sort((grams.text.astype(np.uint64) << np.uint64(40)) | (grams.hashes >> np.uint64(24)))
    again = keys[1:][keys[1:] == keys[:-1]] >> np.uint64(40)
    counts = np.diff(grams.offsets)
    return np.bincount(again.astype(np.int64), minlength=num_texts) / np.maximum(counts, 1)


def similarity(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Estimated Jaccard similarity of signatures, broadcast over all but the last axis."""
    return np.asarray(np.count_nonzero(one == other, axis=-1) / NUM_HASHES)
