"""Everything that the coordinator and its workers say to each other survives pickling."""

from __future__ import annotations

import pickle

import pytest

from runstore.batches import pack_verdicts
from verifiers.types import Limits, Status, Verdict
from workers import messages
from workers.messages import (
    Checked,
    CheckItem,
    Finished,
    GeneratorReport,
    Orders,
    Parent,
    PartRows,
    SampleTask,
    VerifierReport,
    WriteReply,
)
from workers.sampling.votes import Known, Placed

VERDICT = Verdict(Status.REFUTED, "differs", {"answer": "5"}, "math", "1", 0.1, Limits())
VERDICTS = (pack_verdicts([VERDICT]), 0)
FINISHED = Finished((1, 2), 1, False, "", 5, 7, 0.5, 100, 2**64 - 1, is_cut=True)
MESSAGES = [
    Parent("batch", 3, "", "wrong"),
    SampleTask((1, 2), "p", 0, 4, 1, 99, "{}", 1, 0),
    Orders(b"tasks", {3: ["chunk"]}, [1, 2], {(1, 2): Parent(None, 0, "part", "")}),
    FINISHED,
    GeneratorReport([FINISHED], 3, 4, 5, b"batch"),
    CheckItem("batch", [((1, 2), 0)], {(1, 2): Known(0, ((0, b"5"),), ())}),
    Checked((1, 2), Status.REFUTED, 0.1, 0),
    Checked((1, 2), Status.UNCHECKED, 0.1, 0, Placed(b"5", (), (3,), ((0, 3, None),))),
    VerifierReport([Checked((1, 2), None, 0.0, -1)], b"verdicts", 1.5),
    PartRows("batch", [0, 1], [VERDICTS, None]),
    WriteReply("key", 1, 2, [0]),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_round_trip(message: object) -> None:
    again = pickle.loads(pickle.dumps(message))
    assert again == message and type(again) is type(message)


def test_no_kind_of_message_is_left_out() -> None:
    kinds = {
        name
        for name, value in vars(messages).items()
        if isinstance(value, type) and hasattr(value, "_fields") and value.__module__ == messages.__name__
    }
    assert kinds == {type(message).__name__ for message in MESSAGES}
