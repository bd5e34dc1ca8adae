"""Calls beside the samples are written once whichever process dies, told to a resume, and joined to the samples that
they are about."""

from __future__ import annotations

import datetime
import random

import pyarrow as pa
import pytest

from runstore.calls import CallTotals, CallWriter, call_totals, durable_calls, fence_calls, read_calls, with_opinions
from runstore.durable import DuplicateRowError
from runstore.parts import FencedError, list_parts, stream_name
from runstore.storage import open_storage


def call(problem: str, index: int, purpose: str = "judge", **others: object) -> dict[str, object]:
    return {
        **{"run_id": "r", "problem_id": problem, "purpose": purpose, "call_index": index, "parents": [0]},
        **{"messages": "[]", "text": "yes", "opinion": "yes", "finish_reason": "stop", "seed": 1, "pool": "large"},
        **{"prompt_tokens": 10, "completion_tokens": 5, "generation_s": 0.5, "usd": 0.25, "model": "m"},
        **{"model_revision": "", "engine": "vllm", "epoch": 1, "finished_at": datetime.datetime.now(datetime.UTC)},
        **others,
    }


def test_calls_are_no_samples_and_come_back_in_order(tmp_path):
    storage = open_storage(str(tmp_path))
    writer = CallWriter(storage, stream_name(1, 0))
    writer.write([call("b", 1), call("a", 0, "compare", parents=[0, 2])])
    writer.write([call("b", 0, opinion=None, text=None, error="no answer", usd=None)])
    assert [(row["problem_id"], row["call_index"]) for row in read_calls(storage).to_pylist()] == [
        ("a", 0),
        ("b", 0),
        ("b", 1),
    ]
    assert durable_calls(storage) == {("a", "compare", 0), ("b", "judge", 0), ("b", "judge", 1)}
    assert list_parts(storage) == []
    assert call_totals(storage) == {
        ("large", "compare"): CallTotals(1, 0, 10, 5, 0.5, 0.25),
        ("large", "judge"): CallTotals(2, 1, 20, 10, 1.0, 0.25),
    }


def test_an_earlier_owner_can_write_nothing_more(tmp_path):
    storage = open_storage(str(tmp_path))
    old = CallWriter(storage, stream_name(1, 0))
    old.write([call("a", 0)])
    fence_calls(storage, [stream_name(1, 0)])
    assert durable_calls(storage) == {("a", "judge", 0)}
    with pytest.raises(FencedError):
        old.write([call("a", 1)])
    CallWriter(storage, stream_name(2, 0)).write([call("a", 1)])
    assert len(read_calls(storage)) == 2


def test_no_call_is_lost_or_repeated_over_fifty_deaths(tmp_path):
    """Owners die before or after their part is durable, and never learn which. The next one reads and goes on."""
    storage, dice = open_storage(str(tmp_path)), random.Random(7)
    wanted = {("p", "judge", index) for index in range(300)}
    epoch, deaths, stale = 0, 0, []
    while durable_calls(storage) != wanted:
        epoch += 1
        if epoch > 1:
            fence_calls(storage, [stream_name(epoch - 1, 0)])
        done = durable_calls(storage)
        left = [index for index in range(300) if ("p", "judge", index) not in done]
        writer = CallWriter(storage, stream_name(epoch, 0))
        for start in range(0, len(left), 3):
            rows = [call("p", index, epoch=epoch) for index in left[start : start + 3]]
            if deaths < 50 and dice.random() < 0.5:
                deaths += 1
                stale.append((writer, rows))
                if dice.random() < 0.5:
                    writer.write(rows)
                break
            writer.write(rows)
        for ghost, rows in stale[-3:-1]:
            with pytest.raises(FencedError):
                ghost.write(rows)
    assert deaths == 50
    assert len(read_calls(storage)) == 300


def test_a_call_that_stands_twice_is_an_error(tmp_path):
    storage = open_storage(str(tmp_path))
    for stream in (0, 1):
        CallWriter(storage, stream_name(1, stream)).write([call("a", 0)])
    with pytest.raises(DuplicateRowError, match="committed twice"):
        durable_calls(storage)


def test_opinions_stand_beside_the_samples_they_are_about(tmp_path):
    storage = open_storage(str(tmp_path))
    CallWriter(storage, stream_name(1, 0)).write(
        [
            call("a", 0, opinion="yes", parents=[0]),
            call("a", 1, opinion="no", parents=[0]),
            call("a", 2, opinion=None, text=None, error="failed", parents=[1]),
            call("a", 0, "compare", opinion="2", parents=[0, 2]),
        ]
    )
    samples = pa.table({"problem_id": ["a", "a", "a", "b"], "sample_index": [0, 1, 2, 0]})
    joined = with_opinions(samples, read_calls(storage))
    assert joined["opinions_judge"].to_pylist() == [["yes", "no"], [], [], []]
    assert joined["opinions_compare"].to_pylist() == [["2"], [], ["2"], []]
    assert with_opinions(samples, read_calls(open_storage(str(tmp_path / "none")))).column_names == samples.column_names
