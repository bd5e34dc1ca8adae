"""What each column of an exported data set means, for the data card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

COMMON = {
    "id": "run id, problem id and sample index, joined by `/`; of the chosen sample in a pair",
    "problem_id": "the problem's id in its problem set",
    "run_id": "the run that sampled it",
    "kind": "what was checked: `math`, `code`, `lean` or `choice`, or a plugin's kind",
    "domain": "the problem's subject, as its set labels it",
    "source": "the data set that the problem comes from, as its set says",
    "model": "the model that wrote the text: its hub id, or its folder's name",
    "tokens": "tokens that the model generated for the text",
    "expected_answer": "the final answer of the reference; null where it has none",
    "extracted_answer": "the final answer that the checker read in the text; null: none, or no such kind",
    "temperature": "the temperature it was drawn at",
    "checker": "what checked it",
    "checker_version": "the checker's version",
    "reasoning_content": "the thought alone, without its marks; null where the text has none",
    "content": "the answer behind the thought; the whole text where it has none",
    "messages": "the whole chat, the answer being the last turn",
    "prompt": "what the model was given, without a chat template",
    "completion": "the text that the model wrote; verified unless `label` says otherwise",
    "chosen": "a verified answer",
    "rejected": "a refuted answer to the very same messages, of about the same length",
    "rejected_index": "sample index of the rejected answer",
    "rejected_tokens": "tokens of the rejected answer",
    "label": "true: verified; false: refuted",
    "input": "what the model was given, its turns joined to one text",
    "output": "the verified text that the model wrote",
    "system": "the system prompt",
    "conversations": "the other turns: who speaks (`from`) and the text (`value`)",
    "context": "what the model was given",
    "completions": "the answers by rank: 0 is verified, 1 is refuted",
    "long2short_reward": "reward for brevity, above 1 for a short solution: 1 + 0.2 · (s − s̄) / max|s − s̄| with "
    "s = 1 / tokens over the problem's verified samples; null for a refuted one",
    "data_source": "name of the reward function that the trainer scores with",
    "ability": "the kind, as the trainer names it",
    "reward_model": "how to score an answer: the rule's style and the ground truth",
    "extra_info": "split, number of the row, id and kind",
    "ground_truth": "the reference answer that the trainer scores against",
    "dataset": "name of the verifier that the trainer scores with",
    "reference": "the problem's whole reference as JSON",
    "pass_rate": "unbiased estimate of the share of samples that are verified",
    "pass_rate_low": "lower end of its 95 % interval",
    "pass_rate_high": "upper end of its 95 % interval",
    "num_samples": "samples with a verdict; of a cascade those of its first stage, as is the pass rate",
    "num_verified": "verified ones of these",
    "mgpo_weight": "exp(−γ · KL(pass rate ‖ ½)): how much a problem at this pass rate teaches",
    "verified_lengths": "tokens of each verified sample",
    "long2short_rewards": "reward for brevity of each of them, in the same order; see docs/export.md of Proofmill",
    "rollouts": "the judged first attempts as they were drawn: `prompt_ids` (their last `opening_tokens` begin the "
    "thought and are not the model's), `token_ids` with the one that ended the sample, their `logprobs`, `verified`",
    "solution": "the final answer in a box, for reward functions that read it by math-verify; null where there is none",
    "rejected_response": "a refuted answer to the very same messages, of about the same length",
    "question": "the problem's own statement",
    "answer": "the final answer",
    "info": "kind and reference as JSON, for an environment",
    "env_class": "name of the environment that scores an answer",
    "reward_spec": "what the environment compares with",
    "responses_create_params": "the request that a rollout begins with",
    "options": "the options of a multiple-choice item by letter",
    "grading_mode": "where the letter of an answer is read",
    "verifier_metadata": "the tests of a program",
    "agent_ref": "the agent, and so the resources server, of the row",
    "labels": "for each step, whether the checker found it right",
}
OF_FORMAT = {
    "rl": {
        "input": "what the model was given, its turns joined to one text",
        "output": "the reference answer that the trainer scores against",
        "messages": "what the model was given, without a chat template",
    },
    "prm": {"prompt": "what the model was given, its turns joined to one text", "completions": "the steps of the text"},
}
"""Meanings of the columns whose meaning depends on the format."""


def meanings(format: str, names: Sequence[str], own: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each column with its meaning; `own` are those that the format's row describes itself."""
    known = {**COMMON, **OF_FORMAT.get(format, {}), **own}
    return [(name, known.get(name, f"not described by the format `{format}`")) for name in names]
