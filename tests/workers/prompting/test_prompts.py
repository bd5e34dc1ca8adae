"""What the model is given: options, suffixes, repair turns, shuffling with a recorded order."""

from __future__ import annotations

import json

from verifiers.types import Kind, Problem
from workers.prompting.messages import PromptStyle, build_messages, finding_for_model, repair_turns, shuffle_options

ITEM = Problem("c", Kind.CHOICE, "Which?", {"options": ["red", "green", "blue", "black"], "answer": "C"})
LISTED = Problem("c", Kind.CHOICE, "Which?\nA. red\nB. green\nC. blue\nD. black", ITEM.reference)


def test_options_are_listed_once() -> None:
    ((_, text),) = build_messages(ITEM, PromptStyle())
    assert text == LISTED.prompt.replace("Which?\n", "Which?\n\n")
    assert build_messages(LISTED, PromptStyle()) == (("user", LISTED.prompt),)


def test_system_and_suffix() -> None:
    style = PromptStyle(system="Be brief.", suffix="Box it.", suffix_by_kind={"choice": "Letter only."})
    messages = build_messages(ITEM, style)
    assert messages[0] == ("system", "Be brief.") and messages[1][1].endswith("D. black\nLetter only.")
    math = Problem("m", Kind.MATH, "1+1?", {"answer": "2"})
    assert build_messages(math, style)[1] == ("user", "1+1?\nBox it.")


def test_shuffling_keeps_the_right_answer_right() -> None:
    seen = set()
    for item in (ITEM, LISTED):
        for seed in range(40):
            shuffled = shuffle_options(item, seed)
            letter = shuffled.reference["answer"]
            place = "ABCD".index(letter)
            assert shuffled.reference["options"][place] == "blue"
            assert f"{letter}. blue" in build_messages(shuffled, PromptStyle())[-1][1]
            assert shuffled.meta["shuffle"]["seed"] == seed
            assert shuffle_options(item, seed) == shuffled
            seen.add(letter)
    assert seen == set("ABCD")


def test_what_can_not_be_reordered_stays() -> None:
    inline = Problem("c", Kind.CHOICE, "Is it red, green, blue or black?", ITEM.reference)
    assert shuffle_options(inline, 3) == inline


def test_a_repair_turn_shows_attempt_and_evidence() -> None:
    assert repair_turns("x = 4", "the sum is 5")[0] == ("assistant", "x = 4")
    assert "the sum is 5" in repair_turns("x = 4", "the sum is 5")[1][1]


def test_a_repair_turn_says_what_was_found_and_not_how_it_was_checked() -> None:
    error = {"line": 3, "column": 2, "message": "omega could not prove the goal"}
    evidence = {"engine": "embedded", "toolchain": "4.28.0", "tier": "namespaces+seccomp", "audit_s": 0.0}
    evidence |= {"form": "by", "elaboration_s": 0.1855, "error": error, "num_errors": 8}
    finding = finding_for_model("Lean error", json.dumps(evidence), 2000)
    reason, _, rest = finding.partition("\n")
    assert reason == "Lean error" and json.loads(rest) == {"error": error}
    assert finding_for_model("no program found", '{"tier": "namespaces"}', 2000) == "no program found"
    assert finding_for_model("empty", "", 2000) == "empty"
    plugin = finding_for_model("too long", '{"words": 12}', 2000)
    assert "12" in plugin, "what another kind's checker says is shown as it is"
    assert finding_for_model("Lean error", json.dumps(evidence), 15) == 'Lean error\n{\n "'
