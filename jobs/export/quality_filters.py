"""Quality gates for texts that are verified and still not worth training on. Each returns a mask of texts to drop.

Promises: a gate looks at the text and its counts only; thresholds come from the settings, every drop is counted under
the gate's name. Does not: judge whether the reasoning is right; the checker has judged the result.
"""

from __future__ import annotations

import json
import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.export.settings import Gates
from verifiers import thoughts
from verifiers.kinds import KINDS

Bools = npt.NDArray[np.bool_]

LONG_TEXT = 128
"""Number of tokens from which on a text is taken to be more than its answer."""

_SCRIPTS = {
    "latin": r"A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff",  # without × and ÷
    "cyrillic": r"\u0400-\u052f",
    "han": r"\u2e80-\u2fdf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f",
    "kana": r"\u3040-\u30ff",
    "hangul": r"\u1100-\u11ff\uac00-\ud7af",
    "arabic": r"\u0600-\u06ff",
    "hebrew": r"\u0590-\u05ff",
    "devanagari": r"\u0900-\u097f",
    "thai": r"\u0e00-\u0e7f",
    # Armenian, the other scripts of India, Lao, Tibetan, Burmese, Georgian, Ethiopic and Khmer count as one script.
    "other": r"\u0530-\u058f\u0980-\u0dff\u0e80-\u10ff\u1200-\u137f\u1780-\u17ff",
}
_RUNS = {name: re.compile(f"[{letters}]+") for name, letters in _SCRIPTS.items()}
_INTEGER = re.compile(r"\s*[-+]?\d{1,9}\s*\Z")
_BOXED = r"\\(boxed|fbox)\s*\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}"
# Japanese is written in both kana and han, so they count together.
_TOGETHER = {"kana": "han"}


# LaTeX commands, tags, programs and variables are Latin in every language.
_NOTATION = re.compile(r"```.*?```|\\[A-Za-z]+|</?[a-z]+>|(?<![A-Za-z])[A-Za-z](?![A-Za-z])", re.DOTALL)


def script_counts(text: str) -> dict[str, int]:
    """Letters of each script in `text`; Greek is left out, being mathematics."""
    counts: dict[str, int] = {}
    for name, pattern in _RUNS.items():
        if number := sum(map(len, pattern.findall(text))):
            key = _TOGETHER.get(name, name)
            counts[key] = counts.get(key, 0) + number
    return counts


def is_mixed(text: str, prompt: str, foreign_share: float) -> bool:
    """Whether more than `foreign_share` of the letters are of neither the text's main script nor one in the prompt."""
    if text.isascii():
        return False
    counts = script_counts(text)
    if len(counts) < 2:
        return False
    expected = {max(counts, key=lambda name: counts[name]), *script_counts(prompt)}
    if "latin" in counts and "latin" not in expected:
        counts["latin"] = script_counts(_NOTATION.sub(" ", text)).get("latin", 0)
    foreign = sum(number for name, number in counts.items() if name not in expected)
    return foreign > foreign_share * sum(counts.values())


def is_truncated(text: str, finish_reason: str) -> bool:
    """Whether the text was cut off or its thinking was never closed."""
    parts = thoughts.split(text, finish_reason)
    return parts.cut or parts.open_at_end


def may_hold_marks(texts: pa.Array) -> Bools:
    """Texts that may hold a mark of a thought. The marks themselves are too many to be looked for everywhere."""
    found: Bools = pc.match_substring_regex(texts, f"(?i){thoughts.MAY_HOLD_MARK}").to_numpy(zero_copy_only=False)
    return found.astype(bool)


def is_loop(repeated: npt.NDArray[np.float64], num_tokens: npt.NDArray[np.int64], gates: Gates) -> Bools:
    return (repeated > gates.loop_share) & (num_tokens >= gates.loop_min_tokens)


def without_answers(texts: pa.Array) -> pa.Array:
    """The texts without the marks around thinking, and with one letter in place of what is boxed. Neither an empty
    thought nor an answer of many signs counts as work."""
    marked = pa.array(may_hold_marks(texts))
    plain = pc.replace_substring_regex(texts.filter(marked), pattern=f"(?i){thoughts.MARKS}", replacement=" ")
    texts = pc.replace_with_mask(texts, marked, plain)
    return pc.replace_substring_regex(texts, pattern=_BOXED, replacement=r"\\\1{x}")


def is_answer_only(kind: str, num_tokens: npt.NDArray[np.int64], gates: Gates) -> Bools:
    """Short texts of a kind whose answers do not themselves show the work. Programs and proofs do."""
    if KINDS.row(kind).is_own_work:
        return np.zeros(len(num_tokens), bool)
    return num_tokens < gates.min_work_tokens


def is_guessable(kind: str, reference: str, gates: Gates) -> bool:
    """Whether a blind guess hits this reference often: multiple choice and small integers."""
    guesses = KINDS.row(kind).guesses
    if guesses != "small integers":
        return guesses == "always"
    answer = json.loads(reference).get("answer")
    text = str(answer).strip(" $") if isinstance(answer, (str, int)) else ""
    return bool(_INTEGER.match(text)) and abs(int(text)) <= gates.luck_integer


def is_luck(guessable: bool, num_verified: int, num_tokens: npt.NDArray[np.int64], gates: Gates) -> Bools:
    """Which texts may be right by luck: guessable, without a rationale, and too few verified samples agree."""
    if not guessable or not gates.luck_agreement or num_verified >= gates.luck_agreement:
        return np.zeros(len(num_tokens), bool)
    return num_tokens < gates.luck_rationale_tokens
