"""Choosing samples: shingles, duplicates, the strategies, weights and rewards."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_runs import reasoning

from jobs.export import selection, text_hashes
from jobs.export.duplicates import EARLIER, EXACT, NEAR, NEW, SeenSamples, fingerprints


def tokens_of(*texts: str) -> text_hashes.Tokens:
    return text_hashes.tokenize(text_hashes.normalise(pa.array(texts)))


def token_lists(tokens: text_hashes.Tokens) -> list[list[int]]:
    return [tokens.hashes[a:b].tolist() for a, b in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True)]


def test_tokens_are_words_and_signs() -> None:
    counts = tokens_of("", "  ", "x", "3x+5 = 20", "Hello, world!", "数学は", "é à", "a≤b").counts()
    assert counts.tolist() == [0, 0, 1, 5, 4, 3, 2, 2]


def test_case_and_spacing_do_not_matter_but_signs_do() -> None:
    same, also, other = token_lists(tokens_of("X = 3 - 5", "x=3-5 ", "x = 3 + 5"))
    assert same == also != other
    words, also_words = token_lists(tokens_of("X = 3 - 5", "x = 3 + 5").words())
    assert words == also_words


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=60), max_size=12))
@settings(max_examples=200, deadline=None)
def test_a_text_has_the_same_tokens_alone_and_among_others(texts: list[str]) -> None:
    assert token_lists(tokens_of(*texts)) == [token_lists(tokens_of(text))[0] for text in texts]


@given(st.lists(st.lists(st.sampled_from("abcde"), max_size=30), min_size=1, max_size=6), st.integers(1, 6))
@settings(max_examples=100, deadline=None)
def test_ngrams_against_a_plain_loop(texts: list[list[str]], n: int) -> None:
    grams = text_hashes.ngrams(tokens_of(*map(" ".join, texts)), n)
    known: dict[int, tuple[str, ...]] = {}
    for at, words in enumerate(texts):
        expected = [tuple(words[i : i + n]) for i in range(max(1, len(words) - n + 1))] if words else []
        found = grams.hashes[grams.offsets[at] : grams.offsets[at + 1]].tolist()
        assert len(found) == len(expected)
        for key, gram in zip(found, expected, strict=True):
            assert known.setdefault(key, gram) == gram
    assert len(set(known.values())) == len(known)


def test_chunks_cover_all_texts_in_order() -> None:
    texts = pa.array(["a" * n for n in (5, 0, 100, 3, 3, 200, 1)])
    pieces = list(text_hashes.chunks(texts, 10))
    assert [start for start, _ in pieces] == np.cumsum([0] + [len(chunk) for _, chunk in pieces[:-1]]).tolist()
    assert pa.concat_arrays([chunk for _, chunk in pieces]).equals(texts)


def signatures(*texts: str) -> np.ndarray:
    return text_hashes.signatures(text_hashes.ngrams(tokens_of(*texts), text_hashes.SHINGLE))


def test_minhash_estimates_jaccard() -> None:
    rng = np.random.default_rng(1)
    errors = []
    for share in (0.2, 0.5, 0.8):
        words = [f"w{n}" for n in rng.integers(0, 10**6, 400)]
        cut = int(400 * share)
        other = words[:cut] + [f"v{n}" for n in rng.integers(0, 10**6, 400 - cut)]
        one, two = ({tuple(t[i : i + 5]) for i in range(396)} for t in (words, other))
        estimate = float(text_hashes.similarity(*signatures(" ".join(words), " ".join(other))))
        errors.append(abs(estimate - len(one & two) / len(one | two)))
    assert max(errors) < 0.27  # three standard errors of 32 hashes


def test_repeated_share_of_a_loop() -> None:
    text = reasoning(3, "5", 60)
    loop = "so we try again and again " * 30
    share = text_hashes.repeated_share(text_hashes.ngrams(tokens_of(text, loop, ""), text_hashes.SHINGLE))
    assert share[0] < 0.1 and share[1] > 0.9 and share[2] == 0


def test_diverse_prefers_unlike_texts() -> None:
    base = reasoning(1, "5", 60)
    texts = [base, base + " Done.", base + " Finished.", reasoning(17, "5", 60), reasoning(29, "5", 60)]
    matrix = selection.similarities(signatures(*texts))
    chosen = selection.diverse(matrix, np.array([60, 61, 61, 60, 60]), 3)
    assert {3, 4} <= set(chosen) and len(chosen) == 3


def test_diverse_with_identical_candidates() -> None:
    matrix = np.ones((4, 4))
    assert sorted(selection.diverse(matrix, np.array([5, 5, 5, 5]), 3)) == sorted(
        set(selection.diverse(matrix, np.array([5, 5, 5, 5]), 3))
    )
    assert selection.diverse(np.zeros((0, 0)), np.zeros(0, np.int64), 3) == []


def test_near_duplicates_keep_one_of_a_chain() -> None:
    matrix = np.array([[1, 0.95, 0.2], [0.95, 1, 0.95], [0.2, 0.95, 1]])
    assert selection.near_duplicates(matrix, 0.9).tolist() == [False, True, False]
    assert selection.clusters(matrix, 0.9) == 1
    assert selection.clusters(np.eye(3), 0.9) == 3


def test_middle_and_shortest() -> None:
    lengths = np.array([10, 1000, 50, 60, 2])
    assert selection.shortest(lengths, 2) == [4, 0]
    assert selection.middle(lengths, 2) == [2, 3]


def test_pairs_match_lengths_and_use_each_sample_once() -> None:
    chosen = selection.pairs(np.array([100, 200]), np.array([190, 110, 5000]), np.array([-1.0, -0.5, -0.1]), 9, 2.0)
    assert chosen == [(0, 1), (1, 0)]
    assert selection.pairs(np.array([100]), np.array([201]), np.array([0.0]), 9, 2.0) == []


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_mgpo_weight(rate: float) -> None:
    terms = [(rate, 0.5), (1 - rate, 0.5)]
    divergence = sum(p * math.log(p / q) for p, q in terms if p)
    assert selection.mgpo_weight(rate, 2.0) == pytest.approx(math.exp(-2.0 * divergence))
    assert selection.mgpo_weight(rate, 1.0) == pytest.approx(selection.mgpo_weight(1 - rate, 1.0))


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=40))
def test_long2short_is_zero_sum_monotone_and_bounded(lengths: list[int]) -> None:
    rewards = selection.long2short(lengths)
    assert sum(rewards) == pytest.approx(len(lengths))
    assert all(abs(reward - 1) <= 0.2 + 1e-9 for reward in rewards)
    by_length = [reward for _, reward in sorted(zip(lengths, rewards, strict=True))]
    assert all(before >= after - 1e-12 for before, after in itertools.pairwise(by_length))


def prints(*texts: str) -> np.ndarray:
    return fingerprints(np.array([abs(hash(text)) for text in texts], np.uint64), signatures(*texts))


def test_seen_samples_across_batches() -> None:
    one, two, three = (reasoning(seed, "5", 80) for seed in (1, 11, 22))
    nearly = one + " Done."
    seen = SeenSamples(0.9)
    assert seen.admit(prints(one, one, nearly, two)).tolist() == [NEW, EXACT, NEAR, NEW]
    assert seen.admit(prints(nearly, two, three)).tolist() == [NEAR, EXACT, NEW]
    exact_only = SeenSamples(0)
    assert exact_only.admit(prints(one, one, nearly)).tolist() == [NEW, EXACT, NEW]


def test_seen_samples_of_an_earlier_export() -> None:
    one, two = reasoning(1, "5", 80), reasoning(11, "5", 80)
    seen = SeenSamples(0.9)
    seen.add_earlier(prints(one))
    assert seen.admit(prints(one, one + " Done.", two)).tolist() == [EARLIER, EARLIER, NEW]


def test_seen_samples_at_random_agree_with_comparing_all_pairs() -> None:
    rng = np.random.default_rng(5)
    texts: list[str] = []
    for _ in range(300):
        if texts and rng.random() < 0.4:
            words = texts[rng.integers(len(texts))].split()
            words[rng.integers(len(words))] = "changed"
            texts.append(" ".join(words))
        else:
            texts.append(reasoning(int(rng.integers(10**6)), "5", 100))
    seen = SeenSamples(0.9)
    outcome = np.concatenate([seen.admit(prints(*texts[at : at + 37])) for at in range(0, 300, 37)])
    matrix = selection.similarities(signatures(*texts).astype(np.uint16))
    expected = selection.near_duplicates(matrix, 0.9)
    assert (outcome != NEW).tolist() == expected.tolist()
    assert expected.sum() > 50
