"""Describes the settings models: each key of a config with its type, default and meaning.

The text of a key is the docstring below its attribute, so the reference (docs/configuration.md), the JSON schema and a
new config file cannot differ from the code.
Does not: describe the settings of a checker or an engine that are passed on as they are; their documents do.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator
from typing import Any

import pydantic
import tomli_w
from pydantic.fields import FieldInfo

from jobs.pools.tables import PoolName
from verifiers.types import Json

_PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false"}
NAME = "NAME"
"""Stands for the name that the user gives, in the path of a section that has one."""
_BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """One key of a section."""

    name: str
    type: str
    """The type in words, with the bounds of a number."""
    required: bool
    default: Json
    """The default as in JSON; None for a required key and for one without a default of its own."""
    text: str
    """The key's docstring; empty where it has none. A test ensures that every key has one."""


@dataclasses.dataclass(frozen=True, slots=True)
class SectionText:
    """One section: `path` is its name in the file (`sampling.repair`), empty for the top of the file."""

    path: str
    text: str
    keys: tuple[Key, ...]
    repeated: bool = False
    """Whether the section stands once per entry of a list: `[[notify]]`."""


def sections(model: type[pydantic.BaseModel], path: str = "", repeated: bool = False) -> Iterator[SectionText]:
    """The section that `model` describes and those inside it, in the order of the file."""
    own: list[Key] = []
    inner: list[tuple[type[pydantic.BaseModel], str, bool]] = []
    named = path.endswith(NAME)
    for name, field in model.model_fields.items():
        if named and name in _told_elsewhere(model):
            continue
        inner_path = f"{path}.{name}".lstrip(".")
        section = _section(field.annotation)
        if named and section:  # it repeats a section that has a place of its own
            own.append(Key(name, "table", False, {}, " ".join((field.description or "").split())))
            continue
        if section:
            inner.append((section, inner_path, False))
            continue
        own.append(_key(name, field))
        entries = typing.get_args(field.annotation)
        if typing.get_origin(field.annotation) is list and _is_section(entries[0]):
            inner.append((entries[0], inner_path, True))
        if typing.get_origin(field.annotation) is dict and entries[0] is PoolName:
            inner.append((entries[1], f"{inner_path}.{NAME}", False))
    yield SectionText(path, " ".join((model.__doc__ or "").split()), tuple(own), repeated)
    for each in inner:
        yield from sections(*each)


def _section(annotation: Any) -> type[pydantic.BaseModel] | None:
    """The section that a key holds, also where it may be left out."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(annotation) if part is not type(None)]
        annotation = parts[0] if len(parts) == 1 else None
    return annotation if _is_section(annotation) else None


def _told_elsewhere(model: type[pydantic.BaseModel]) -> set[str]:
    """The keys of a named section that are those of the section it extends."""
    return {name for base in model.__mro__[1:] for name in getattr(base, "model_fields", {})}


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel)


def toml_value(value: Json) -> str:
    """The value as it stands in a TOML file, on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    return "{}" if value == {} else tomli_w.dumps({"value": value}).removeprefix("value = ").strip()


def reference(model: type[pydantic.BaseModel], title: str) -> str:
    """The Markdown reference of a settings model: one table per section."""
    parts = [f"# {title}"]
    for section in sections(model):
        if not section.keys:
            continue
        if section.path:
            head = f"[[{section.path}]]" if section.repeated else f"[{section.path}]"
            parts.append(f"## `{head}`\n\n{section.text}".rstrip())
        rows = [
            f"| `{key.name}` | {_cell(key.type)} | {_default_text(key)} | {_cell(key.text)} |" for key in section.keys
        ]
        parts.append("\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _key(name: str, field: FieldInfo) -> Key:
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if isinstance(default, tuple):
        default = list(default)
    text = " ".join((field.description or "").split())
    return Key(name, type_text(field.annotation, field.metadata), field.is_required(), default, text)


def type_text(annotation: Any, metadata: list[Any] | tuple[Any, ...] = ()) -> str:
    """A type in words: `list of text`, `whole number above 0`, `one of fixed, adaptive`."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_text(arguments[0], _constraints(arguments[1:]))
    if origin is typing.Literal:
        return "one of " + ", ".join(str(value) or '""' for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_text(part) for part in arguments if part is not type(None))
    if origin in (list, tuple):
        return f"list of {type_text(arguments[0])}"
    if origin is dict:
        return f"table of {type_text(arguments[1])}" if arguments[1] is not Any else "table"
    if annotation is Any:
        return "any value"
    words = _PLAIN.get(annotation, "table" if isinstance(annotation, type) else "any value")
    bounds = [
        f"{said} {getattr(constraint, name):g}"
        for constraint in _constraints(metadata)
        for name, said in _BOUNDS.items()
        if isinstance(getattr(constraint, name, None), int | float)
    ]
    return " ".join([words, " and ".join(bounds)]).strip()


def _constraints(metadata: list[Any] | tuple[Any, ...]) -> list[Any]:
    """The bounds among an annotation's metadata; a pydantic Field holds several."""
    found: list[Any] = []
    for item in metadata:
        found += item.metadata if isinstance(item, FieldInfo) else [item]
    return found


def _default_text(key: Key) -> str:
    if key.required:
        return "**required**"
    return "none" if key.default is None else _cell(f"`{toml_value(key.default)}`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
