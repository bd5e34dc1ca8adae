"""What the dry-run says of samples, and which stored runs a new version resumes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.config import ConfigError, SolveConfig, check_config
from jobs.solve.plan import describe_plan, lean_worker_bytes, plan_run, tokens_per_sequence
from jobs.solve.record import check_resume
from jobs.solve.settings import verifier_settings


def config(**sampling: Any) -> SolveConfig:
    table = {"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"path": "m"}, "sampling": sampling}
    return check_config(table, "test")


def described(**sampling: Any) -> str:
    plan: Any = SimpleNamespace(describe=lambda: "plan", max_model_len=4096)
    problems: Any = SimpleNamespace(num_problems=240)
    return describe_plan(config(**sampling), problems, plan).splitlines()[1]


def test_a_plan_says_how_few_samples_it_may_take() -> None:
    assert described(policy="fixed", num_samples=16) == "policy fixed, 3,840 samples of at most 1,024 tokens each"
    stops = described(policy="until_verified", num_samples=16, num_verified=2)
    assert stops.startswith("policy until_verified, 480 to 3,840 samples") and "a problem stops at 2 verified" in stops
    assert "240 to 720 samples" in described(policy="fixed", num_samples=1, repair={"rounds": 2})


def test_the_plan_counts_the_context_of_repair_rounds() -> None:
    def tokens(rounds: int, **model: Any) -> int:
        sampling = {"max_tokens": 32_000, "repair": {"rounds": rounds, "evidence_chars": 1000}}
        table = {"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"path": "m", **model}}
        return tokens_per_sequence(check_config({**table, "sampling": sampling}, "test"))

    assert tokens(0) == 1024 + 32_000
    assert tokens(2) == 1024 + 2 * (32_000 + 500 + 64) + 32_000  # the whole text may be its answer
    assert tokens(2, thinking="qwen3") == 1024 + 2 * (4096 + 500 + 64) + 32_000
    assert tokens(2, thinking="qwen3", keep_thought=True) == tokens(2)
    plan: Any = SimpleNamespace(describe=lambda: "plan", max_model_len=4096)
    lines = describe_plan(
        config(max_tokens=2048, repair={"rounds": 1}),
        SimpleNamespace(num_problems=1),
        plan,  # type: ignore[arg-type]
    ).splitlines()
    assert lines[-1].startswith(
        "note: a sample of the last repair round may need 6,184 tokens, and the context has 4,096"
    )


PROBLEMS: Any = SimpleNamespace(sha256="0" * 64)


def record(stored: dict[str, Any]) -> dict[str, Any]:
    return {"config": stored, "problems": {"sha256": "0" * 64}}


def test_the_plan_counts_the_memory_of_native_leans_and_the_run_keeps_to_it(tmp_path: Path) -> None:
    def lean(**more: Any) -> SolveConfig:
        model = {"path": "models/tiny_reasoner", "max_model_len": 700}
        verify = {"workers_per_actor": 8, "lean": {"project": str(tmp_path)}, **more}
        table = {"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": model, "verify": verify}
        return check_config({**table, "sampling": {"max_tokens": 64}}, "test")

    assert lean_worker_bytes(config()) == 0
    assert lean_worker_bytes(lean()) == 10_000 << 20
    assert lean_worker_bytes(lean(limits={"lean": {"memory_mb": 16_000}})) == 16_000 << 20
    node = {"Alive": True, "NodeManagerAddress": "here", "Resources": {"CPU": 4.0, "memory": 30 * 2**30}}
    plan = plan_run(lean(), [node])
    assert plan.lean_workers == 2
    assert "memory bounds the Lean workers: 2 of 8 per verifier" in plan.describe()
    tables = verifier_settings(lean(), lean_workers=plan.lean_workers).checkers
    assert tables["lean"]["native"] == {"max_workers": 2}
    assert "native" not in verifier_settings(lean()).checkers["lean"]


def test_a_key_that_an_older_version_lacked_counts_as_its_default() -> None:
    stored = config().resolved()
    for section, key in [("sampling", "policy_args"), ("sampling", "min_p"), ("model", "engine"), ("prompt", "suffix")]:
        del stored[section][key]
    del stored["sampling"]["repair"]["evidence_chars"]
    check_resume(config(), PROBLEMS, record(stored), "run")
    with pytest.raises(ConfigError, match=r"sampling\.min_p was 0\.0 and is 0\.5 now"):
        check_resume(config(min_p=0.5), PROBLEMS, record(stored), "run")
    with pytest.raises(ConfigError, match=r"sampling\.repair\.rounds was 0 and is 1 now"):
        check_resume(config(repair={"rounds": 1}), PROBLEMS, record(stored), "run")


def test_another_engine_is_another_run() -> None:
    stored = config().resolved()
    stored["model"]["engine"] = "other"
    with pytest.raises(ConfigError, match=r"model\.engine was 'other' and is 'vllm' now"):
        check_resume(config(), PROBLEMS, record(stored), "run")
