"""Pydantic's faults as lines that people read: file, key, what was wrong, what would be right."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import pydantic

from jobs.uris import without_keys
from verifiers.types import Json


def told_faults(error: pydantic.ValidationError, model: type[pydantic.BaseModel]) -> list[str]:
    """A line per fault. A pool takes over what a shared table says, faults included, and these are told once."""
    faults = one_per_key(error.errors(), model)
    shared = [(fault["loc"], fault.get("input")) for fault in faults]
    return [
        explain(fault, model)
        for fault in faults
        if not (fault["loc"][:1] == ("models",) and (fault["loc"][2:], fault.get("input")) in shared)
    ]


def one_per_key(faults: Iterable[Mapping[str, Any]], model: type[pydantic.BaseModel]) -> list[dict[str, Any]]:
    """The faults at places of the file. Where a key takes one of several kinds of values, pydantic has a fault for each
    of them, and adds to the place which one it tried. The first that is not about a constant says most."""
    found: dict[tuple[str | int, ...], dict[str, Any]] = {}
    for number, fault in enumerate(faults):
        place = in_file(fault["loc"], model)
        is_alternative = len(place) < len(fault["loc"])
        key = place if is_alternative else (*fault["loc"], number)
        if key not in found or found[key]["type"] == "literal_error":
            found[key] = {**fault, "loc": place}
    return list(found.values())


def in_file(place: tuple[str | int, ...], model: type[pydantic.BaseModel]) -> tuple[str | int, ...]:
    """A fault's place without what pydantic adds below a key that takes one of several kinds of values."""
    found: Any = model
    for at, part in enumerate(place):
        if typing.get_origin(found) is typing.Annotated:
            found = typing.get_args(found)[0]
        if typing.get_origin(found) in (typing.Union, types.UnionType):
            kinds = [kind for kind in typing.get_args(found) if kind is not type(None)]
            if len(kinds) > 1:
                return place[:at]
            found = kinds[0]
        if hasattr(found, "model_fields"):
            field = found.model_fields.get(part)
            found = field.annotation if field else None
        else:
            found = (typing.get_args(found) or (None,))[-1]
    return place


def explain(fault: Mapping[str, Json], model: type[pydantic.BaseModel]) -> str:
    """A pydantic fault as one line, in the terms of the config file."""
    key = ".".join(str(part) for part in fault["loc"] if part != "[key]")
    if fault["type"] == "extra_forbidden":
        known = list(getattr(settings_at(model, fault["loc"][:-1]), "model_fields", {}))
        near = difflib.get_close_matches(str(fault["loc"][-1]), known, 1)
        if fault["loc"][:-1] in (("model",), ("cascade",)) and isinstance(fault.get("input"), dict):
            near = [f"[{fault['loc'][0]}s.{fault['loc'][-1]}]"]  # one of several, which stand under the plural
        meant = f" (did you mean {near[0]}?)" if near else ""
        return f"{key}: unknown key{meant}" + (f"; known here: {', '.join(known)}" if known else "")
    if fault["type"] == "missing":
        return f"{key}: missing"
    if fault["type"] == "list_type" and isinstance(fault["input"], dict):
        return f"{key}: is a table, expected a list; an entry of a list begins with [[{key}]]"
    withheld = fault["loc"][0] in WITHHELD or tuple(fault["loc"][:2]) in WITHHELD or fault["loc"][-1] in SECRET_KEYS
    if withheld:
        return f"{key}: {fault['msg'].removeprefix('Value error, ')}"
    return f"{key}: {fault['msg'].removeprefix('Value error, ')}, got {without_keys(fault['input'])!r}"


def settings_at(model: type[pydantic.BaseModel], place: Iterable[str | int]) -> Any:
    """The settings model at a place of a config. Keys of a table and places in a list lead to their entries' model."""
    found: Any = model
    for part in place:
        if hasattr(found, "model_fields"):
            field = found.model_fields.get(part)
            found = field.annotation if field else None
        else:
            found = (typing.get_args(found) or (None,))[-1]
        if typing.get_origin(found) in (typing.Union, types.UnionType):  # a section that may be left out
            found = next(iter(typing.get_args(found)), None)
    return found


WITHHELD = frozenset({"notify", ("ray", "runtime_env"), ("ray", "pass_env")})
"""Keys whose values no error repeats: a URL or a key that was put there by mistake is a secret."""
SECRET_KEYS = frozenset({"base_url", "api_key_env", "engine_args"})
"""The same, wherever the key stands."""
