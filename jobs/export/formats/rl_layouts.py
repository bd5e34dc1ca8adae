"""The rows of a problem pool as each trainer reads them; docs/export.md shows one of each.

To add a layout, write one function and one row of `RL_LAYOUTS`, and name it in jobs.export.formats_table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from jobs.export.formats import scorers
from jobs.export.formats.chats import CHAT
from verifiers.kinds import KINDS, KindRow

Json = Any

VERL_SOURCES = frozenset(
    [
        "lighteval/MATH",
        "DigitalLearningGmbH/MATH-lighteval",
        "HuggingFaceH4/MATH-500",
        "math_dapo",
        "math",
        "math_dapo_reasoning",
        "numina_aops_forum",
        "numina_synthetic_math",
        "numina_amc_aime",
        "numina_synthetic_amc",
        "numina_cn_k12",
        "numina_olympiads",
        "codecontests",
        "apps",
        "codeforces",
        "taco",
    ]
)
"""What verl 0.9's default_compute_score scores (besides its image and search sets); it raises for any other name. Not
`openai/gsm8k`: that scorer reads `#### x` only, and gives 0 for an answer in a box."""
LETTERS = [chr(ord("A") + at) for at in range(26)]


class PoolProblem(NamedTuple):
    """A problem of the pool."""

    id: str
    kind: str
    source: str
    split: str
    chat: list[dict[str, str]]
    question: str
    """The problem's own statement."""
    reference: Mapping[str, Json]
    data_source: str
    """`rl.data_source`: a scorer of the user's own; empty: the trainer's."""

    @property
    def row(self) -> KindRow:
        return KINDS.row(self.kind)

    @property
    def asked(self) -> str:
        """Everything that the model was given, as one text."""
        return "\n\n".join(turn["content"] for turn in self.chat)


Body = dict[str, Json]


def own_or(problem: PoolProblem, scorer: scorers.Scorer | None) -> scorers.Scorer | None:
    """The user's own scorer, or else the trainer's; None for a kind that this version does not know."""
    return scorers.for_own(problem.data_source, problem.reference) if problem.data_source else scorer


def answer(problem: PoolProblem, name: str) -> scorers.Scorer | None:
    """A scorer that compares final answers; None for kinds without one."""
    text = scorers.answer_text(problem.reference) if problem.row.answer_is_text else None
    return None if text is None else scorers.Scorer(name, text)


def boxed(truth: str) -> str:
    """An answer as math-verify reads it wherever it stands: it finds no bare LaTeX."""
    return f"\\boxed{{{truth}}}"


def extra_info(problem: PoolProblem) -> dict[str, Json]:
    return {"split": problem.split or "train", "index": 0, "id": problem.id, "kind": problem.kind}


def verl(problem: PoolProblem) -> Body | None:
    # A scorer of a known set compares answers. Programs are scored by the tests that they bring along.
    known = problem.source if problem.source in VERL_SOURCES and problem.row.answer_is_text else ""
    scorer = own_or(problem, scorers.for_verl(known or problem.row.verl_source, problem.reference))
    return scorer and {
        "data_source": scorer.name,
        "prompt": problem.chat,
        "ability": problem.kind,
        "reward_model": {"style": "rule", "ground_truth": scorer.truth},
        "extra_info": extra_info(problem),
    }


def open_instruct(problem: PoolProblem) -> Body | None:
    scorer = own_or(problem, scorers.for_open_instruct(problem.row.open_instruct_verifier, problem.reference))
    return scorer and {"messages": problem.chat, "ground_truth": scorer.truth, "dataset": scorer.name}


def trl(problem: PoolProblem) -> Body:
    """Every kind: TRL's reward functions are the user's own, but for `accuracy_reward`, which reads `solution`."""
    found = problem.reference.get("answer")
    truth = found if isinstance(found, str) else json.dumps(found if found is not None else problem.reference)
    scorer = answer(problem, "") if problem.kind in KINDS else None
    return {"prompt": problem.chat, "ground_truth": truth, "solution": scorer and boxed(scorer.truth)}


def ms_swift(problem: PoolProblem) -> Body | None:
    """Its `accuracy` reads `solution` by math-verify. A reward function of the user's own gets it as it is."""
    scorer = answer(problem, "")
    if problem.data_source:
        return {"messages": problem.chat, "solution": scorers.for_own("", problem.reference).truth}
    return scorer and {"messages": problem.chat, "solution": boxed(scorer.truth)}


def nemo_rl(problem: PoolProblem) -> Body | None:
    """`ResponseDataset` makes one user turn of `input`, and its environments compare with `output`."""
    scorer = own_or(problem, answer(problem, ""))
    return scorer and {"input": problem.asked, "output": scorer.truth}


def verifiers(problem: PoolProblem) -> Body | None:
    scorer = own_or(problem, answer(problem, "math"))
    info = json.dumps({"kind": problem.kind, "reference": problem.reference})
    return scorer and {
        "prompt": problem.chat,
        "question": problem.question,
        "answer": scorer.truth,
        "info": info,
    }


def skyrl(problem: PoolProblem) -> Body | None:
    """`aime` reads `Answer: x` and nothing else, so it scores no problem whose prompt asks for a box instead."""
    scorer: scorers.Scorer | None
    if problem.row.answer_is_text:
        asks_for_box = "\\boxed" in problem.asked and "answer:" not in problem.asked.lower()
        scorer = None if asks_for_box else answer(problem, "aime")
    else:
        scorer = scorers.for_live_code_bench("lcb", problem.reference)
    scorer = own_or(problem, scorer)
    return scorer and {
        "data_source": problem.source,
        "prompt": problem.chat,
        "env_class": scorer.name,
        "reward_spec": {"method": "rule", "ground_truth": scorer.truth},
        "reward_model": {"style": "rule", "ground_truth": scorer.truth},
        "extra_info": extra_info(problem),
    }


def nemo_gym(problem: PoolProblem) -> Body | None:
    """Rows of three of its resources servers; each names the agent that its own configuration file defines."""
    body: Body = {"responses_create_params": {"input": problem.chat}, "question": problem.question}
    options = problem.reference.get("options")
    tests = scorers.live_code_bench_tests(problem.reference)
    scorer = answer(problem, "math_with_judge")
    if problem.data_source:
        own = scorers.for_own(problem.data_source, problem.reference)
        return {**body, "expected_answer": own.truth, "agent_ref": agent(own.name)}
    if tests is not None:
        return {**body, "verifier_metadata": {"unit_tests": tests}, "agent_ref": agent("code_gen_simple_agent")}
    if scorer is None:
        return None
    body["expected_answer"] = scorer.truth
    if not isinstance(options, list):
        return {**body, "agent_ref": agent("math_with_judge_simple_agent")}
    if len(options) > len(LETTERS):
        return None
    lettered = [{letter: str(option)} for letter, option in zip(LETTERS, options, strict=False)]
    mode = "strict_single_letter_boxed"
    if "answer:" in problem.asked.lower() and "\\boxed" not in problem.asked:
        mode = "lenient_answer_colon"
    return {**body, "options": lettered, "grading_mode": mode, "agent_ref": agent("mcqa_simple_agent")}


def agent(name: str) -> dict[str, str]:
    return {"type": "responses_api_agents", "name": name}


class RlLayout(NamedTuple):
    """One layout: its own columns, and what makes them of a problem (None: nothing there can score it)."""

    schema: pa.Schema
    body: Callable[[PoolProblem], Body | None]
    any_kind: bool = False
    """Whether it takes kinds that this version does not know."""


STRING = pa.string()
EXTRA_INFO = pa.struct([("split", STRING), ("index", pa.int64()), ("id", STRING), ("kind", STRING)])
REWARD_MODEL = pa.struct([("style", STRING), ("ground_truth", STRING)])
UNIT_TESTS = pa.struct([("inputs", pa.list_(STRING)), ("outputs", pa.list_(STRING)), ("fn_name", STRING)])

RL_LAYOUTS: dict[str, RlLayout] = {
    "verl": RlLayout(
        pa.schema(
            [
                ("data_source", STRING),
                ("prompt", CHAT),
                ("ability", STRING),
                ("reward_model", REWARD_MODEL),
                ("extra_info", EXTRA_INFO),
            ]
        ),
        verl,
    ),
    "open_instruct": RlLayout(
        pa.schema([("messages", CHAT), ("ground_truth", STRING), ("dataset", STRING)]), open_instruct
    ),
    "trl": RlLayout(pa.schema([("prompt", CHAT), ("ground_truth", STRING), ("solution", STRING)]), trl, any_kind=True),
    "nemo_rl": RlLayout(pa.schema([("input", STRING), ("output", STRING)]), nemo_rl),
    "nemo_gym": RlLayout(
        pa.schema(
            [
                ("responses_create_params", pa.struct([("input", CHAT)])),
                ("question", STRING),
                ("options", pa.list_(pa.struct([(letter, STRING) for letter in LETTERS]))),
                ("grading_mode", STRING),
                ("verifier_metadata", pa.struct([("unit_tests", UNIT_TESTS)])),
                ("agent_ref", pa.struct([("type", STRING), ("name", STRING)])),
            ]
        ),
        nemo_gym,
    ),
    "skyrl": RlLayout(
        pa.schema(
            [
                ("data_source", STRING),
                ("prompt", CHAT),
                ("env_class", STRING),
                ("reward_spec", pa.struct([("method", STRING), ("ground_truth", STRING)])),
                ("reward_model", REWARD_MODEL),
                ("extra_info", EXTRA_INFO),
            ]
        ),
        skyrl,
    ),
    "verifiers": RlLayout(
        pa.schema([("prompt", CHAT), ("question", STRING), ("answer", STRING), ("info", STRING)]), verifiers
    ),
    "ms_swift": RlLayout(pa.schema([("messages", CHAT), ("solution", STRING)]), ms_swift),
}


def body_of(layout: str, problem: PoolProblem) -> Body | None:
    """The layout's own columns of a problem; None where the trainer's scorer cannot express the reference."""
    row = RL_LAYOUTS[layout]
    return None if problem.kind not in KINDS and not row.any_kind else row.body(problem)
