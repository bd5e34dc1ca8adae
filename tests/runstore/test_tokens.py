"""Tokens beside samples: the same rows, committed together, whichever process dies between the two writes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from runstore.batches import PromptColumns, pack_batch, problem_columns
from runstore.errors import StoredRunError
from runstore.lease import claim_run, release
from runstore.parts import FencedError, append_part, encode_part, read_parts, stream_name
from runstore.schema import Provenance, Sample
from runstore.storage import open_storage
from runstore.tokens import TOKEN_SCHEMA, append_tokens, read_tokens, tokens_key, tokens_table
from verifiers.types import Problem
from workers.actors.writer import Writer
from workers.engines.base import Generation
from workers.messages import PartRows
from workers.rollouts.base import sample_tokens

ORIGIN = Provenance("r", 1, "c", "m", "", "e", "", "0", {"temperature": 1.0})
STREAM = stream_name(1, 0)


def batch(*indices: int, with_logprobs: bool = True) -> bytes:
    """Samples of one problem; the one with index 1 was aborted."""
    rows = []
    for index in indices:
        ended = "abort" if index == 1 else "stop"
        drawn = [index, 7, 2]
        generation = Generation(
            "text",
            ended,
            prompt_ids=[5, 6, 300_000],
            opening_tokens=2,
            token_ids=drawn,
            logprobs=tuple(-0.5 * token for token in drawn) if with_logprobs else None,
        )
        sample = Sample("p", index, 1, 0, None, (), None if ended == "abort" else "text", ended, 3, 3, None, 7, 0, 0, 0)
        sample.tokens = sample_tokens(generation)
        problem = Problem(id="p", kind="math", prompt="?", reference={})
        rows.append(("{}", PromptColumns(problem_columns(problem), "[]"), sample))
    return pack_batch(rows, ORIGIN, with_tokens=True)


def write(writer: Writer, *parts: tuple[bytes, list[int]]) -> str:
    rows = [PartRows(data, chosen, [None] * len(chosen)) for data, chosen in parts]
    return asyncio.run(writer.write(rows)).key


def writer_of(folder: Path) -> Writer:
    writer = Writer(str(folder), STREAM)
    asyncio.run(writer.take_over(0))
    return writer


def globbed(folder: Path, what: str) -> list[int]:
    return sorted(
        index
        for path in (folder / what).glob("*.parquet")
        for index in pq.read_table(path, columns=["sample_index"])["sample_index"].to_pylist()
    )


def test_a_row_has_its_tokens_in_the_part_of_the_same_name(tmp_path: Path) -> None:
    key = write(writer_of(tmp_path), (batch(0, 1, 2), [2, 1]), (batch(3), [0]))
    rows = read_tokens(open_storage(str(tmp_path)), key).to_pylist()
    assert (
        [row["sample_index"] for row in rows] == [2, 1, 3] == pq.read_table(tmp_path / key)["sample_index"].to_pylist()
    )
    assert rows[0] == {
        **{"run_id": "r", "problem_id": "p", "sample_index": 2, "prompt_ids": [5, 6, 300_000], "opening_tokens": 2},
        **{"token_ids": [2, 7, 2], "logprobs": [-1.0, -3.5, -1.0]},
    }
    assert {name: rows[1][name] for name in ("prompt_ids", "opening_tokens", "token_ids", "logprobs")} == dict.fromkeys(
        ("prompt_ids", "opening_tokens", "token_ids", "logprobs")
    ), "a partial text must never be stored, nor its tokens"
    assert pq.read_schema(tmp_path / tokens_key(key)).equals(TOKEN_SCHEMA)


def test_ids_alone_leave_the_log_probabilities_null(tmp_path: Path) -> None:
    key = write(writer_of(tmp_path), (batch(0, with_logprobs=False), [0]))
    (row,) = read_tokens(open_storage(str(tmp_path)), key).to_pylist()
    assert row["token_ids"] == [0, 7, 2] and row["logprobs"] is None


def test_a_part_of_aborted_samples_alone_has_its_tokens_too(tmp_path: Path) -> None:
    key = write(writer_of(tmp_path), (batch(1), [0]))
    (row,) = read_tokens(open_storage(str(tmp_path)), key).to_pylist()
    assert row["sample_index"] == 1 and row["token_ids"] is None


def test_a_run_without_tokens_writes_none(tmp_path: Path) -> None:
    problem = Problem(id="p", kind="math", prompt="?", reference={})
    sample = Sample("p", 0, 1, 0, None, (), "text", "stop", 3, 3, None, 7, 0, 0, 0)
    data = pack_batch([("{}", PromptColumns(problem_columns(problem), "[]"), sample)], ORIGIN)
    key = write(writer_of(tmp_path), (data, [0]))
    assert not (tmp_path / "tokens").exists()
    with pytest.raises(StoredRunError, match=r"tokens/e0001-w00-\d+\.parquet: not there: this run stored no tokens"):
        read_tokens(open_storage(str(tmp_path)), key)


def test_a_writer_that_dies_between_the_two_writes_leaves_no_row_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_run(open_storage(str(tmp_path)), 1, 0.1)
    dying = writer_of(tmp_path)
    first = write(dying, (batch(0), [0]))

    def die(*_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("workers.actors.writer.append_part", die)
        write(dying, (batch(2), [0]))
    assert globbed(tmp_path, "tokens") == [0, 2] and globbed(tmp_path, "samples") == [0], "the attack"

    successor = writer_of(tmp_path)
    assert globbed(tmp_path, "tokens") == [0] == globbed(tmp_path, "samples")
    second = write(successor, (batch(2), [0]))
    storage = open_storage(str(tmp_path))
    assert [read_tokens(storage, key)["sample_index"].to_pylist() for key in (first, second)] == [[0], [2]]
    with pytest.raises(FencedError):
        write(dying, (batch(2), [0]))
    assert globbed(tmp_path, "tokens") == [0, 2] == globbed(tmp_path, "samples")


def test_the_next_start_empties_what_an_interrupted_write_left(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    release(storage, claim_run(storage, 1, 0.1))
    table = tokens_table([])
    assert table.schema == TOKEN_SCHEMA and not len(table)
    whole = read_tokens(storage, write(writer_of(tmp_path), (batch(0), [0])))
    append_tokens(storage, STREAM, 2, whole)
    assert globbed(tmp_path, "tokens") == [0, 0]
    claim_run(storage, 1, 0.1)
    assert globbed(tmp_path, "tokens") == [0]
    with pytest.raises(FencedError):
        append_tokens(storage, STREAM, 2, whole)


def test_tokens_of_other_rows_are_refused(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    writer = writer_of(tmp_path)
    first = write(writer, (batch(0), [0]))
    second = write(writer, (batch(2), [0]))
    (tmp_path / tokens_key(second)).write_bytes((tmp_path / tokens_key(first)).read_bytes())
    with pytest.raises(StoredRunError, match=r"tokens/.*: its rows are not those of samples/"):
        read_tokens(storage, second)
    (tmp_path / tokens_key(second)).write_bytes(b"PAR1")
    with pytest.raises(StoredRunError, match="not a readable Parquet file"):
        read_tokens(storage, second)


def test_a_samples_part_alone_still_reads(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    key = write(writer_of(tmp_path), (batch(0), [0]))
    table = pq.read_table(tmp_path / key)
    append_part(storage, STREAM, 9, encode_part(table))
    assert [len(part) for part in read_parts(storage, ["problem_id"])][-1] == 1
