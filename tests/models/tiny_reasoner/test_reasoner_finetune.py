"""Fine-tuning reads conversations from JSONL and Parquet, learns them, and writes a directory that loads again."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from models.tiny_reasoner.finetune import finetune, read_conversations
from models.tiny_reasoner.problems.draw import draw_distinct
from models.tiny_reasoner.training import completion_loss, encode

DIRECTORY = Path(__file__).parents[3] / "models" / "tiny_reasoner"


def conversations() -> list[list[dict[str, str]]]:
    items = draw_distinct("finetune", held_out=False, num_per_domain=1)
    return [[item.messages()[0], {"role": "assistant", "content": "I do not know."}] for item in items]


def test_reads_both_formats(tmp_path: Path) -> None:
    rows = conversations()
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    pq.write_table(pa.Table.from_pylist([{"messages": row, "id": 1} for row in rows]), tmp_path / "b.parquet")
    assert list(read_conversations(tmp_path)) == rows + rows


@pytest.mark.parametrize("row", [{}, {"messages": []}, {"messages": [{"role": "user", "content": "x"}]}])
def test_names_the_bad_row(tmp_path: Path, row: dict[str, object]) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps({"messages": conversations()[0]}) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(ValueError, match=r"bad\.jsonl, row 2"):
        list(read_conversations(path))


def test_learns_what_it_is_given(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(DIRECTORY)
    examples = [encode(tokenizer, row) for row in conversations()]
    before = completion_loss(AutoModelForCausalLM.from_pretrained(DIRECTORY).eval(), examples).item()
    finetune(examples, DIRECTORY, tmp_path / "tuned", epochs=6, batch_size=12, peak=2e-3, seed=0)
    tuned = AutoModelForCausalLM.from_pretrained(tmp_path / "tuned").eval()
    assert completion_loss(tuned, examples).item() < 0.7 * before
    assert AutoTokenizer.from_pretrained(tmp_path / "tuned").chat_template == tokenizer.chat_template
