"""URIs as they may be printed and stored: without what may be a key.

A signed URI carries its signature in the query, and a careless one a password before the host. Whatever tells a URI to
people, or writes it where others read it, passes it through here.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping

from verifiers.types import Json

WEB = ("http", "https")
STORES_WITHOUT_KEYS = ("s3://", "hf://")
"""Schemes whose URIs hold no key: the credentials come from the environment, and a `?` is a part of a pattern."""
FILE_KEYS = frozenset({"files", "examples"})
"""Keys of a config whose values are URIs of files that are read."""
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


def shown(name: str) -> str:
    """An entry of a list of files as it may be printed."""
    if "://" not in name or name.startswith(STORES_WITHOUT_KEYS):
        return name
    try:
        parts = urllib.parse.urlsplit(name)
    except ValueError:  # no address at all, such as an open bracket in the host
        return f"{name.partition('://')[0]}://…"
    # In other stores a question mark without a key is a wildcard, which belongs to the path.
    query = parts.query if parts.scheme not in WEB and "=" not in parts.query else ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment="").geturl()


def without_keys(value: Json) -> Json:
    """A text, or a tree of lists and tables, with every URI in it as it may be printed."""
    if isinstance(value, str):
        if _URI.match(value.strip()):  # a URI to its end, whatever blanks its query has
            return shown(value.strip())
        return _URI.sub(lambda found: shown(found[0]), value)
    if isinstance(value, Mapping):
        return {name: without_keys(inner) for name, inner in value.items()}
    return [without_keys(inner) for inner in value] if isinstance(value, list | tuple) else value


def stored_config(value: Json) -> Json:
    """A resolved config as it may be stored: the URIs of its files without what may be a key."""
    if isinstance(value, Mapping):
        return {
            name: shown_files(inner) if name in FILE_KEYS else stored_config(inner) for name, inner in value.items()
        }
    return [stored_config(inner) for inner in value] if isinstance(value, list) else value


def shown_files(value: Json) -> Json:
    """The value of one of FILE_KEYS: a URI or a list of them."""
    if isinstance(value, list):
        return [shown(name) if isinstance(name, str) else name for name in value]
    return shown(value) if isinstance(value, str) else stored_config(value)
