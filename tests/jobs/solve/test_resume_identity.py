"""Which settings a resume may change, and how a run of a version with fewer keys is gone on with."""

from __future__ import annotations

import copy
import json
from types import SimpleNamespace
from typing import Any

import pydantic
import pytest

from jobs.config import ConfigError, SolveConfig, check_config
from jobs.problems.load import ProblemSetSummary
from jobs.solve.record import CHANGEABLE, check_resume, default_of, differences, new_record, section_model

PROBLEMS = ProblemSetSummary(1, {"math": 1}, {"": 1}, "ab" * 32, ())
TABLE: dict[str, Any] = {"run": {"id": "r"}, "problems": {"files": ["p.jsonl"]}, "model": {"path": "m"}}


def resume(stored: dict[str, Any], table: dict[str, Any], sha256: str = PROBLEMS.sha256) -> str:
    """What is said against going on; empty where nothing is."""
    record = {"config": stored, "problems": {"sha256": sha256}}
    try:
        check_resume(check_config(table, "test"), PROBLEMS, record, "run")
    except ConfigError as error:
        return str(error)
    return ""


def stored(**sections: dict[str, Any]) -> dict[str, Any]:
    return check_config({**TABLE, **sections}, "test").resolved()


def leaves(model: type[pydantic.BaseModel] = SolveConfig, place: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name in model.model_fields:
        inner = section_model(model, name)
        found += leaves(inner, (*place, name)) if inner else [(*place, name)]
    return found


def is_changeable(path: tuple[str, ...]) -> bool:
    allowed = CHANGEABLE.get(path[0], frozenset())
    return allowed is None or (len(path) > 1 and path[1] in allowed)


@pytest.mark.parametrize("path", leaves(), ids=".".join)
def test_every_key_that_an_older_version_lacked_counts_as_its_default(path: tuple[str, ...]) -> None:
    model: Any = SolveConfig
    for name in path[:-1]:
        model = section_model(model, name)
    if model.model_fields[path[-1]].is_required():
        return
    older = stored()
    node = older
    for name in path[:-1]:
        node = node[name]
    del node[path[-1]]
    assert resume(older, TABLE) == ""
    # The same key with another value than the default is a change, unless it may be changed.
    node[path[-1]] = "something else"
    said = resume(older, TABLE)
    assert ("something else" in said) is not is_changeable(path)


@pytest.mark.parametrize("section", [name for name in SolveConfig.model_fields if name not in TABLE])
def test_a_whole_section_may_be_younger_than_the_run(section: str) -> None:
    older = stored()
    del older[section]
    assert resume(older, TABLE) == ""


def test_a_key_that_only_the_run_has_is_a_change() -> None:
    newer = stored()
    newer["sampling"]["min_tokens"] = 5
    assert "sampling.min_tokens was 5 and is None now" in resume(newer, TABLE)
    newer = stored()
    newer["knowledge"] = {"files": ["facts.jsonl"]}
    assert "knowledge was" in resume(newer, TABLE)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"sampling": {"min_p": 0.1}}, "sampling.min_p was 0.0 and is 0.1 now"),
        ({"sampling": {"repair": {"rounds": 2}}}, "sampling.repair.rounds was 0 and is 2 now"),
        ({"model": {"path": "m", "max_model_len": 99}}, "model.max_model_len"),
        ({"model": {"path": "m", "engine_args": {"kv_cache_dtype": "fp8"}}}, "model.engine_args"),
        ({"verify": {"limits": {"code": {"wall_s": 2.0}}}}, "verify.limits"),
        ({"verify": {"code": {"allow_unprotected": True}}}, "verify.code"),
        ({"prompt": {"suffix_by_kind": {"math": "x"}}}, "prompt.suffix_by_kind"),
        ({"run": {"id": "r", "seed": 1}}, "run.seed was 0 and is 1 now"),
    ],
)
def test_what_makes_a_sample_or_its_verdict_may_not_change(sections: dict[str, Any], said: str) -> None:
    assert said in resume(stored(), {**TABLE, **sections})
    assert resume(stored(**copy.deepcopy(sections)), {**TABLE, **sections}) == ""


@pytest.mark.parametrize(
    "sections",
    [
        {"output": {"uri": "elsewhere"}},
        {"budget": {"tokens": 5}},
        {"resources": {"replicas": 3}},
        {"verify": {"actors": 3, "workers_per_actor": 7}},
        {"model": {"path": "m", "max_num_seqs": 3, "engine_args": {"enforce_eager": True}}},
        {"problems": {"files": ["moved.jsonl"]}},
    ],
)
def test_where_and_how_fast_a_run_works_may_change(sections: dict[str, Any]) -> None:
    assert resume(stored(), {**TABLE, **sections}) == ""


def test_other_problems_are_another_run() -> None:
    assert "the problem set was cdcd" in resume(stored(), TABLE, "cd" * 32)


def test_defaults_are_told_as_run_json_has_them() -> None:
    assert default_of(SolveConfig, "sampling")["repair"]["kinds"] == stored()["sampling"]["repair"]["kinds"]
    assert differences([1], [1], None, "x") == [] and differences(None, {}, None, "x") == ["x was None and is {} now"]


SIGNED = "https://host/e.jsonl?sig="


def test_a_record_keeps_no_signature_and_a_resume_compares_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("digest_with_variants", "examples_digest"):
        monkeypatch.setattr(f"jobs.solve.record.{name}", lambda of: "")

    def signed(secret: str, host: str = "host") -> Any:
        uri = f"{SIGNED}{secret}".replace("host", host)
        table = {**TABLE, "problems": {"files": [uri, "a?.jsonl"], "sources": [{"files": [uri]}]}}
        return check_config({**table, "prompt": {"examples": uri}}, "test")

    problems: Any = SimpleNamespace(sha256="0", to_json=lambda: {"sha256": "0"})
    stored = new_record(signed("SECRET1"), problems, {})
    assert "SECRET1" not in json.dumps(stored)
    assert stored["config"]["problems"]["files"] == ["https://host/e.jsonl", "a?.jsonl"]
    check_resume(signed("SECRET2"), problems, stored, "out")
    # A record of an earlier version has the query.
    check_resume(signed("SECRET2"), problems, {**stored, "config": signed("SECRET1").resolved()}, "out")
    with pytest.raises(ConfigError, match=r"prompt\.examples was 'https://host/e\.jsonl' and is") as caught:
        check_resume(signed("SECRET2", "other"), problems, stored, "out")
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "problems",
    [
        {"files": f"{SIGNED}SECRET"},
        {"files": {"a": f"{SIGNED}SECRET"}},
        {"files": [[f"{SIGNED}SECRET"]]},
        {"files": f"{SIGNED}a SECRET"},
        {"files": f"{SIGNED}a'SECRET"},
        {"files": [f"{SIGNED}SECRET"], "sources": f"{SIGNED}SECRET"},
        {"sources": [{"files": f"a.jsonl, {SIGNED}SECRET"}]},
        [f"{SIGNED}SECRET"],
        {"files": [], "revision": f"{SIGNED}SECRET"},
        {"files": ["a"], "limit": f"https://me:SECRET@host/{SIGNED}SECRET"},
    ],
)
def test_no_fault_of_a_config_repeats_a_signature(problems: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        check_config({**TABLE, "problems": problems}, "test")
    assert "problems" in str(caught.value) and "SECRET" not in str(caught.value)
