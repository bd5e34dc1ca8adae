"""Reads rows that an older version wrote in today's schema.

Promises: a file of an older schema version gives today's columns; a column that it lacks gets its value from
`UPGRADES`. A file is refused, by an error that names file and column, if its version is newer, if it lacks a needed
column or if a column has a foreign type.
Fails with StoredRunError.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from runstore.errors import StoredRunError


@dataclasses.dataclass(frozen=True, slots=True)
class Added:
    """A column that files from before schema version `version` may lack, and the value that is then read for it."""

    version: int
    value: str | int | bool | None


UPGRADES = {
    "meta": Added(1, "{}"),
    "split": Added(1, ""),
    "source": Added(1, ""),
    "domain": Added(1, ""),
    "round": Added(1, 0),
    "parent_sample_index": Added(1, None),
    "mean_logprob": Added(1, None),
    "evidence": Added(1, None),
    "tier": Added(1, None),
    "checker_version": Added(1, None),
    "model_revision": Added(1, ""),
    "code_revision": Added(1, ""),
    "settled_verified": Added(2, None),
    "settled_first_try": Added(2, None),
    "thought_tokens": Added(2, None),
    "answer_tokens": Added(2, None),
    "thought_opened_by_prompt": Added(2, None),
    "thought_closed_by": Added(2, None),
    "extracted_answer": Added(2, None),
    "num_unchecked": Added(3, 0),
    "variant": Added(3, None),
    "pool": Added(3, "model"),
    "stage": Added(3, 0),
    "audited": Added(3, False),
}


def check_schema(schema: pa.Schema, wanted: pa.Schema, uri: str, columns: Sequence[str]) -> None:
    """Checks that a file of `schema` can be read as `wanted`, in the given columns. The StoredRunError that it raises
    names the file, the column, its type and the type wanted."""
    version, newest = version_of(schema), version_of(wanted)
    if not version.isdecimal() or int(version) > int(newest):
        raise StoredRunError(
            f"{uri}: written with schema version {version}; this proofmill reads versions up to {newest}"
        )
    for name in columns:
        field = wanted.field(name)
        at = schema.get_field_index(name)
        if at < 0:
            added = UPGRADES.get(name)
            if not added or int(version) >= added.version:
                raise StoredRunError(f"{uri}: no column {name!r}; expected one of type {field.type}")
        elif not readable_as(schema.field(at).type, field.type):
            raise StoredRunError(f"{uri}: column {name!r} has type {schema.field(at).type}, expected {field.type}")


def version_of(schema: pa.Schema) -> str:
    """The schema version of a file; "0" if it was written before there were versions."""
    return str((schema.metadata or {}).get(b"proofmill.schema_version", b"0").decode())


def readable_as(found: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    return bool(
        found == wanted
        or (pa.types.is_integer(found) and pa.types.is_integer(wanted))
        or (pa.types.is_floating(found) and pa.types.is_floating(wanted))
        or (pa.types.is_large_string(found) and pa.types.is_string(wanted))
        or (pa.types.is_timestamp(found) and pa.types.is_timestamp(wanted))
        or pa.types.is_null(found)
    )


def conform_batch(batch: pa.RecordBatch, schema: pa.Schema, uri: str) -> pa.RecordBatch:
    """`batch` with exactly the columns of `schema`. Raises StoredRunError for values that do not fit."""
    return pa.record_batch(_conform(batch, schema, uri), schema=schema)


def conform_table(table: pa.Table, schema: pa.Schema, uri: str) -> pa.Table:
    """`table` with exactly the columns of `schema`. Raises StoredRunError for values that do not fit."""
    return pa.table(_conform(table, schema, uri), schema=schema)


def _conform(rows: pa.RecordBatch | pa.Table, schema: pa.Schema, uri: str) -> list[Any]:
    columns = []
    for field in schema:
        at = rows.schema.get_field_index(field.name)
        if at < 0:
            columns.append(_constant(UPGRADES[field.name].value, field.type, rows.num_rows))
            continue
        column = rows.column(at)
        try:
            column = column if column.type == field.type else column.cast(field.type)
            column.validate(full=True)  # Parquet's reader accepts text that is not UTF-8
        except pa.ArrowInvalid as error:
            raise StoredRunError(f"{uri}: column {field.name!r}: {error}")
        if not field.nullable and column.null_count:
            row = column.is_null().index(True).as_py()
            raise StoredRunError(f"{uri}: column {field.name!r}: null in row {row} of a batch; it must have a value")
        columns.append(column)
    return columns


def _constant(value: str | int | bool | None, kind: pa.DataType, length: int) -> pa.Array:
    if not pa.types.is_dictionary(kind):
        return pa.repeat(pa.scalar(value, kind), length)
    return pa.repeat(pa.scalar(value, kind.value_type), length).dictionary_encode().cast(kind)
