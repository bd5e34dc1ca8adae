"""Texts of models and of problem files as a terminal may be shown them."""

from __future__ import annotations


def printable(text: str, keep: str = "") -> str:
    """The text with all that a terminal would act upon escaped; characters of `keep` stay as they are.

    >>> printable("a\\x1b[2J\\nb"), printable("a\\rb\\n", keep="\\n")
    ('a\\\\x1b[2J\\\\nb', 'a\\\\rb\\n')
    """
    return "".join(char if char.isprintable() or char in keep else repr(char)[1:-1] for char in text)
