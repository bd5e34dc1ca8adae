"""The table idiom: names, rows, and what an unknown or a taken name says."""

import pytest

from verifiers.registry import Registry, UnknownNameError, load


@pytest.fixture
def colours() -> Registry[int]:
    return Registry("colour", {"red": 1, "green": 2})


def test_an_unknown_name_lists_the_known_ones(colours: Registry[int]) -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown colour 'rde'; known: red, green$"):
        colours.row("rde")


def test_an_added_row_is_found_and_listed(colours: Registry[int]) -> None:
    colours.add("blue", 3)
    assert colours.row("blue") == 3
    assert list(colours) == ["red", "green", "blue"] and "blue" in colours and len(colours) == 3


def test_a_row_may_be_added_twice_and_a_name_has_one_row(colours: Registry[int]) -> None:
    colours.add("red", 1)
    with pytest.raises(ValueError, match="the colour 'red' exists already, as 1"):
        colours.add("red", 4)
    assert colours.row("red") == 1


def test_rows_given_at_the_start_are_copied() -> None:
    rows = {"a": 1}
    table = Registry("letter", rows)
    rows["b"] = 2
    assert list(table) == ["a"]


def test_load_imports_what_a_target_names() -> None:
    assert load("verifiers.registry:Registry") is Registry
    with pytest.raises(ValueError, match=r"verifiers\.registry has no Nothing"):
        load("verifiers.registry:Nothing")
    with pytest.raises(ValueError, match=r"package\.module:name"):
        load("verifiers.registry")


def test_an_attribute_error_inside_the_module_is_not_taken_for_a_missing_name(tmp_path, monkeypatch) -> None:
    (tmp_path / "broken_plugin.py").write_text("import os\nos.no_such_thing\nThing = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AttributeError, match="no_such_thing"):
        load("broken_plugin:Thing")
