"""What becomes of a row that is read: each counter of the funnel, what it means, and the settings that decide it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """One counter of the funnel."""

    text: str
    keys: tuple[str, ...] = ()
    """Settings of the export that let more rows through; empty where none does."""
    advice: str = ""
    """What else would let more rows through."""


VERIFY_AGAIN = "`proofmill verify --run` checks again"
SELECT_AGAIN = "`proofmill report --select` chooses again"

OUTCOMES = {
    "exported": Outcome("in this data set"),
    "aborted": Outcome("stopped before their end: counted, not a solution"),
    "bad_row": Outcome("JSON columns that cannot be read (`--skip-bad`)"),
    "repeated_identity": Outcome("same run, problem and sample index as another row"),
    "status_verified": Outcome("proven right, which this format does not take"),
    "status_refuted": Outcome("proven wrong"),
    "status_malformed": Outcome("no single answer, program or proof to read"),
    "status_undecided": Outcome("the checker could not decide", advice=VERIFY_AGAIN),
    "status_unchecked": Outcome(
        "the problem has no answer key: nothing was checked",
        ("select.labels",),
        "`proofmill verify --run URI --problems KEYED.jsonl` checks once there are keys",
    ),
    "status_error": Outcome("our fault or the machine's; run `proofmill verify --run` again", advice=VERIFY_AGAIN),
    "not_agreed": Outcome(
        "no agreed answer of this probability, or of another answer", ("select.min_probability",), advice=SELECT_AGAIN
    ),
    "suspect_reference": Outcome("its reference may be wrong", ("select.drop_suspects",)),
    "kind_not_selected": Outcome("of a kind that was not asked for", ("select.kinds",)),
    "domain_not_selected": Outcome("of a domain that was not asked for", ("select.domains",)),
    "split_not_selected": Outcome("of a split that was not asked for", ("select.splits",)),
    "not_selected": Outcome("left out by `select`", ("select.kinds", "select.domains", "select.splits")),
    "tier_not_selected": Outcome("verified, but not by one of the tiers asked for", ("select.tiers",)),
    "audit_not_selected": Outcome("verified, but not by one of the audits asked for", ("select.audits",)),
    "variant_not_selected": Outcome("of a variant that was not asked for", ("select.variants",)),
    "vacuous": Outcome("proves a statement that holds vacuously", ("gates.vacuous",)),
    "repair_round": Outcome("answers to a checker's evidence", ("select.repairs",)),
    "too_short": Outcome("fewer tokens than asked for", ("select.min_tokens",)),
    "too_long": Outcome("more tokens than asked for", ("select.max_tokens",)),
    "thought_too_short": Outcome(
        "fewer tokens of thought than asked for, or not counted by the run", ("select.min_thought_tokens",)
    ),
    "pass_rate_not_selected": Outcome(
        "of a problem that is solved too often or too seldom", ("select.min_pass_rate", "select.max_pass_rate")
    ),
    "truncated": Outcome("cut off, or thinking left open", ("gates.truncated",)),
    "contaminated_prompt": Outcome(
        "problem statement overlaps with an evaluation set", ("decontaminate.files", "decontaminate.ngram")
    ),
    "contaminated_text": Outcome(
        "solution overlaps with an evaluation set", ("decontaminate.solutions", "decontaminate.ngram")
    ),
    "leaked_answer": Outcome(
        "reference answer is a long one of an evaluation set", ("decontaminate.files", "decontaminate.answer_chars")
    ),
    "loop": Outcome("repeats itself", ("gates.loop_share", "gates.loop_min_tokens")),
    "language_mixing": Outcome("letters of a script foreign to text and prompt", ("gates.foreign_share",)),
    "answer_without_work": Outcome("an answer and nothing else", ("gates.min_work_tokens",)),
    "luck": Outcome(
        "guessable answer, no rationale, no second sample that agrees",
        ("gates.luck_agreement", "gates.luck_rationale_tokens", "gates.luck_integer"),
    ),
    "contradictory": Outcome("same messages and text, verified once and refuted once"),
    "duplicate": Outcome("same text for the same problem"),
    "near_duplicate": Outcome("nearly the same text for the same problem", ("dedup.near",)),
    "duplicate_across_problems": Outcome("same prompt and text under another problem id", ("dedup.across_problems",)),
    "near_duplicate_across_problems": Outcome(
        "nearly the same prompt and text under another problem id", ("dedup.across_problems", "dedup.near")
    ),
    "exported_earlier": Outcome("in an earlier export", ("dedup.against",)),
    "not_chosen": Outcome(
        "beyond the samples wanted of a problem",
        ("select.per_problem", "select.strategy", "select.low_quantile", "select.high_quantile"),
    ),
    "unpaired": Outcome(
        "no partner of the same problem and about the same length left",
        ("preference.length_ratio", "select.per_problem"),
    ),
    "no_pass_rate": Outcome(
        "no unbiased estimate of the pass rate",
        advice='a run with sampling.estimates = "unbiased" that ends has one for every problem',
    ),
    "pass_rate_outside": Outcome("pass rate outside the band", ("rl.low", "rl.high")),
    "no_scorer": Outcome("the trainer has no scorer for this kind of reference", ("rl.data_source",)),
    "no_step_evidence": Outcome("the checker said nothing of the steps"),
}


def explained(name: str) -> Outcome:
    """The counter's meaning. A plugin's format may count under names of its own."""
    return OUTCOMES.get(name, Outcome("counted by the format"))


def told(name: str, number: int, settings: Mapping[str, Any]) -> str:
    """A line that names a filter that took rows, and the keys of `settings` (nested, as resolved) that loosen it."""
    outcome = explained(name)
    keys = ", ".join(f"{key} = {value_at(settings, key)}" for key in outcome.keys)
    more = "; ".join(part for part in (keys, outcome.advice) if part)
    return f"{name} {number:,}, {outcome.text}" + (f" ({more})" if more else "")


def value_at(settings: Mapping[str, Any], key: str) -> Any:
    section, _, name = key.partition(".")
    return settings[section][name]
