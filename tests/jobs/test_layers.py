"""Layers of settings: the strongest wins, key by key, and the plan knows which one that was."""

from __future__ import annotations

from pathlib import Path

from jobs.config import load_config
from jobs.layers import COMMAND_LINE, FILE, Layer, merge_layers

BASE = """
[run]
id = "r"
[problems]
files = ["p"]
[model]
path = "m"
[sampling]
temperature = 0.7
top_p = 0.9
[sampling.repair]
rounds = 1
"""


def test_a_layer_replaces_single_keys_and_whole_lists() -> None:
    preset = Layer("preset", {"sampling": {"top_k": 20, "stop": ["a", "b"]}, "model": {"engine_args": {"x": 1}}})
    file = Layer("file", {"sampling": {"stop": ["c"]}, "model": {"engine_args": {"y": 2}}})
    merged, origins = merge_layers([preset, file])
    assert merged == {"sampling": {"top_k": 20, "stop": ["c"]}, "model": {"engine_args": {"x": 1, "y": 2}}}
    assert origins == {
        "sampling.top_k": "preset",
        "sampling.stop": "file",
        "model.engine_args.x": "preset",
        "model.engine_args.y": "file",
    }
    assert preset.table["sampling"]["stop"] == ["a", "b"] and preset.table["model"] == {"engine_args": {"x": 1}}


def test_a_table_over_a_value_and_a_value_over_a_table_leave_no_origin_behind() -> None:
    assert merge_layers([Layer("a", {"k": 1}), Layer("b", {"k": {"x": 2}})]) == ({"k": {"x": 2}}, {"k.x": "b"})
    assert merge_layers([Layer("a", {"k": {"x": 2}}), Layer("b", {"k": 1})]) == ({"k": 1}, {"k": "b"})


def test_a_loaded_config_knows_the_layer_of_each_key(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(BASE)
    config = load_config(path, ["sampling.temperature=0.2", "model.dtype=float32"])
    assert config.sampling.temperature == 0.2 and config.sampling.top_p == 0.9
    assert config.origin("sampling", "temperature") == COMMAND_LINE == config.origin("model", "dtype")
    assert config.origin("sampling", "top_p") == FILE == config.origin("sampling", "repair")
    assert config.origin("sampling", "top_k") == "" == config.origin("budget", "tokens")


def test_a_preset_lies_below_the_file_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(BASE.replace('path = "m"', 'preset = "qwen3.6-27b"'))
    config = load_config(path, ["sampling.top_k=7"])
    assert config.origin("sampling", "temperature") == FILE and config.origin("sampling", "top_k") == COMMAND_LINE
    assert config.origin("model", "path") == "the preset qwen3.6-27b"
