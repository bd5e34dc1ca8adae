"""Round trips of the shared types."""

import pickle

from runstore.schema import SAMPLE_SCHEMA, sample_seed
from verifiers.types import Kind, Limits, Problem, Status, Verdict


def test_problem_survives_json_and_pickle() -> None:
    problem = Problem(id="a", kind=Kind.MATH, prompt="1+1?", reference={"answer": "2"}, domain="arithmetic")
    assert Problem.from_json(problem.to_json()) == problem
    assert pickle.loads(pickle.dumps(problem)) == problem


def test_verdict_survives_json_and_pickle() -> None:
    verdict = Verdict(Status.VERIFIED, "equal", {"answer": "2"}, "math", "1", 0.01, Limits(wall_s=1.0))
    assert Verdict.from_json(verdict.to_json()) == verdict
    assert pickle.loads(pickle.dumps(verdict)) == verdict


def test_seeds_depend_on_every_part_of_the_identity() -> None:
    seeds = {sample_seed(run, problem, index) for run in (0, 1) for problem in ("a", "b") for index in range(50)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_schema_columns_are_unique() -> None:
    assert len(set(SAMPLE_SCHEMA.names)) == len(SAMPLE_SCHEMA.names)
