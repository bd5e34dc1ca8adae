"""How a rendered prompt ended: the opening mark of a thought that the chat template began is kept with the text."""

from pathlib import Path
from typing import Any

import pytest

from verifiers.thoughts import split
from workers.engines.vllm import make_prompt

MODEL = Path(__file__).parents[3] / "models" / "tiny_reasoner"
MESSAGES = (("user", "What does <think> mean?\n<think>"),)
TURNS = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
HEAD = "{% if add_generation_prompt %}<|im_start|>assistant\n"
TEMPLATES = {
    "": "",
    "<think>\n": "<think>\n",
    "[THINK]": "[THINK]",
    "<think>\nFirst of all, ": "<think>\nFirst of all, ",
    "<|channel|>analysis<|message|>": "<|channel|>analysis<|message|>",
    "<think>\n\n</think>\n\n": "",  # thinking is switched off
    "<|channel|>final<|message|>": "",
}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    transformers = pytest.importorskip("transformers")
    return transformers.AutoTokenizer.from_pretrained(MODEL)


@pytest.mark.parametrize(("tail", "opening"), TEMPLATES.items())
def test_the_opening_mark_of_a_template(tokenizer: Any, tail: str, opening: str) -> None:
    tokenizer.chat_template = f"{TURNS}{HEAD}{tail.replace(chr(10), chr(92) + 'n')}{{% endif %}}".replace("\\n", "\n")
    prompt = make_prompt(tokenizer, MESSAGES)
    assert prompt.opening == opening
    assert tokenizer.decode(prompt.tokens).endswith(tail)
    assert split(f"{prompt.opening}It is \\boxed{{5}}.", "stop").open_at_end is bool(opening)


def test_a_model_without_a_template(tokenizer: Any) -> None:
    tokenizer.chat_template = None
    assert make_prompt(tokenizer, (("user", "2 + 2?"),)).opening == ""
    # Here the message is the prompt, and the model goes on where it ends.
    assert make_prompt(tokenizer, MESSAGES).opening == "<think>\n"
