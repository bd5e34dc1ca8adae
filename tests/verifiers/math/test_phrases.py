"""Tables of phrases: their notation, and that each pattern is what its tables say."""

import re

import pytest

from verifiers.math.reading import phrases_before, phrases_behind, phrases_common
from verifiers.math.reading.phrases import compiled, form, phrases

TABLES = [
    (module.__name__.rpartition(".")[2], name, table)
    for module in (phrases_before, phrases_behind, phrases_common)
    for name, table in vars(module).items()
    if isinstance(table, tuple)
]


def test_the_notation():
    table = phrases("a b / don't\n  c / d\\ e / f\\'g / {wrong} x")
    assert table == ("a b", "don't", "c", "d\\ e", "f\\'g", "{wrong} x")
    pattern = compiled(form(r"\A@ z\Z", table))
    for text in ("A  b\nz", "don’t z", "don't z", "c z", "d e z", "f'g z", "faulty  x z"):
        assert pattern.match(text), text
    for text in ("ab z", "d  e z", "f’g z", "right x z", "c"):
        assert not pattern.match(text), text
    assert compiled("a", "b").fullmatch("B")
    assert form(r"\\ {case}").startswith("\\\\\\s+(?:")  # an escaped backslash, then a blank
    with pytest.raises(KeyError):
        form("{unknown}")


@pytest.mark.parametrize(("module", "name", "table"), TABLES, ids=[name for _, name, _ in TABLES])
def test_a_table(module, name, table):
    assert table
    assert len(set(table)) == len(table), "a phrase stands twice"
    for phrase in table:
        re.compile(form("@", (phrase,)))
        assert phrase == phrase.strip()
