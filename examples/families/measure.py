"""Measures the models of this example: specialists against generalists, the cascade, compression against coverage.

    python -m examples.families.measure --out out/families              # `make families`
    python -m examples.families.measure --out out/tenth --scale 0.1

All that is sampled is sampled, verified and stored by `proofmill solve`: one run of the three specialists with a route
per field, one of each model that they are held against, one of the cascade, and one of the large model alone.

Promises: a run that is complete is not made again, so the same command goes on where it was stopped; other settings or
other weights in the same folder are refused.
Exit codes: those of `proofmill solve`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from examples.expert_iteration.problem_files import write_whole
from examples.families import chart, coverage, results
from examples.families.accounts import Account, num_parameters, read_account
from examples.families.problem_sets import write_sets
from examples.families.recipe import HERE, Recipe, load_recipe
from examples.families.settings import Settings, load_settings, scaled
from examples.families.train import COVERAGE, REASONER, trainees
from jobs.config import ConfigError, read_toml

ROOT = HERE.parents[1]
SPECIALISTS = ("arithmetic_and_algebra", "programs", "theorems")
ALONE = ("generalist", "large_generalist", "pocket", "reasoner")
"""Models that are measured on all fields by themselves."""
FAMILY, CASCADE, LARGE_ALONE = "specialists", "cascade", "alone"
"""Names of the runs that have no model's name."""


class StageError(Exception):
    """A run failed. Carries its exit code."""

    def __init__(self, stage: str, code: int) -> None:
        super().__init__(f"{stage}: exit code {code}; the same command goes on from here")
        self.code = code


class Measurement:
    """All runs of one measurement in one folder."""

    def __init__(self, settings: Settings, recipe: Recipe, checkpoints: Path, out: Path) -> None:
        self.settings = settings
        self.recipe = recipe
        self.checkpoints = checkpoints
        self.out = out

    def model(self, name: str) -> Path:
        return REASONER if name == "reasoner" else self.checkpoints / name

    def parameters(self, *names: str) -> dict[str, int]:
        return {name: num_parameters(self.model(name)) for name in names}

    def run(self) -> dict[str, Any]:
        """Every run that is not there yet, then the results. Raises ConfigError or StageError."""
        self.check_folder()
        self.sample_fields()
        self.sample_cascades()
        return self.publish()

    def check_folder(self) -> None:
        """Raises ConfigError if the folder was begun with other settings or weights."""
        names = [*SPECIALISTS, *ALONE, *(f"{COVERAGE}{size}" for size in self.recipe.coverage.sizes)]
        try:
            weights = {name: sha256(self.model(name) / "model.safetensors") for name in names}
        except OSError as error:
            raise ConfigError(f"{error.filename}: {error.strerror}; `make families-train` makes the models")
        described = {"settings": self.settings.model_dump(mode="json"), "weights": weights}
        described["stages"] = read_toml(HERE / "cascade.toml")["cascade"]["stages"]
        path = self.out / "measurement.json"
        if not path.exists():
            write_whole(path, json.dumps(described, indent=1) + "\n")
        before = json.loads(path.read_text())
        if changed := [key for key in described if before.get(key) != described[key]]:
            raise ConfigError(
                f"{path}: begun with other {', '.join(changed)}; choose another --out or delete the folder"
            )

    def problem_files(self) -> dict[int, Path]:
        """Seed → problem file; the first seed is that of the fields, the others are those of the cascade."""
        sizes = {self.settings.seed: self.settings.per_field}
        sizes |= dict.fromkeys(self.settings.cascade_seeds, self.settings.cascade_per_field)
        return write_sets(self.recipe, sizes, self.out / "problems")

    def sample_fields(self) -> None:
        """The specialists behind their routes, and every other model by itself, on the same problems."""
        problems = [self.problem_files()[self.settings.seed]]
        fixed = {"sampling.num_samples": self.settings.samples}
        self.solve(FAMILY, "specialists.toml", problems, {**self.paths(SPECIALISTS), **fixed})
        for name in ALONE:
            self.solve(name, "single.toml", problems, {"model.path": str(self.model(name)), **fixed})

    def sample_cascades(self) -> None:
        """The cascade, and the large model alone with all of its samples, on the problems of all seeds."""
        files = self.problem_files()
        problems = [files[seed] for seed in self.settings.cascade_seeds]
        self.solve(CASCADE, "cascade.toml", problems, self.paths(self.stage_models()))
        large = {"model.path": str(self.model(self.settings.large_alone))}
        large["sampling.num_samples"] = self.settings.large_samples
        self.solve(LARGE_ALONE, "single.toml", problems, large)

    def paths(self, names: Iterable[str]) -> dict[str, Any]:
        return {f"models.{name}.path": str(self.model(name)) for name in names}

    def stage_models(self) -> list[str]:
        return [stage["model"] for stage in read_toml(HERE / "cascade.toml")["cascade"]["stages"]]

    def solve(self, run_id: str, config: str, problems: Sequence[Path], values: dict[str, Any]) -> None:
        """One run, unless it is complete already."""
        record = self.out / "runs" / run_id / "run.json"
        if record.exists() and (json.loads(record.read_text()).get("summary") or {}).get("complete"):
            return
        chosen = {
            "run.id": run_id,
            "run.seed": self.settings.seed,
            "problems.files": [str(path) for path in problems],
            "output.uri": str(self.out),
            **values,
        }
        flags = [part for key, value in chosen.items() for part in ("--set", f"{key}={json.dumps(value)}")]
        print(f"== solve {run_id}", flush=True)
        begun = time.monotonic()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, "-m", "jobs.cli", "solve", str(HERE / config), *flags]
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        if done.returncode:
            raise StageError(f"solve {run_id}", done.returncode)
        with (self.out / "stages.jsonl").open("a") as log:
            log.write(json.dumps({"run": run_id, "seconds": round(time.monotonic() - begun, 1)}) + "\n")

    def account(self, run_id: str, *models: str, pool: str = "") -> Account:
        """`pool` is the name of the pool where it is not that of the model: a run with one [model] calls it `model`."""
        found = self.parameters(*models)
        return read_account(self.out / "runs" / run_id, {pool or name: count for name, count in found.items()})

    def publish(self) -> dict[str, Any]:
        """Writes results.json and the pictures; returns what the first one holds."""
        fields = {FAMILY: self.account(FAMILY, *SPECIALISTS)}
        fields |= {name: self.account(name, name, pool="model") for name in ALONE}
        cascade = self.account(CASCADE, *self.stage_models())
        alone = self.account(LARGE_ALONE, self.settings.large_alone, pool="model")
        by_seed = {seed: problem_ids(path) for seed, path in self.problem_files().items()}
        by_seed.pop(self.settings.seed)
        growing = {
            size: coverage.measure(self.recipe, self.checkpoints / f"{COVERAGE}{size}", self.settings.sums)
            for size in self.recipe.coverage.sizes
        }
        found = {
            **json.loads((self.out / "measurement.json").read_text()),
            "training": {name: results.training(self.checkpoints / name) for name in trainees(self.recipe, ROOT, ROOT)},
            "fields": results.fields(fields, self.recipe, self.settings.samples),
            "differences": results.differences(fields, self.recipe, self.settings.samples),
            "choice": results.choice(fields, self.settings.samples),
            "cascade": results.cascades(cascade, alone, by_seed),
            "coverage": results.growing(growing, self.recipe),
            "runs": [json.loads(line) for line in (self.out / "stages.jsonl").read_text().splitlines()],
        }
        write_whole(self.out / "results.json", json.dumps(found, indent=1) + "\n")
        for name, picture in chart.pictures(found).items():
            write_whole(self.out / name, picture)
        return found


def problem_ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/families"))
    parser.add_argument("--checkpoints", type=Path, default=HERE / "checkpoints", help="folder of the models")
    parser.add_argument("--scale", type=float, default=1.0, help="times the problems of measure.toml")
    args = parser.parse_args()
    try:
        settings = scaled(load_settings(), args.scale)
        measurement = Measurement(settings, load_recipe(), args.checkpoints.resolve(), args.out.resolve())
        found = measurement.run()
    except ConfigError as error:
        print(f"families: {error}", file=sys.stderr)
        return 2
    except StageError as error:
        print(f"families: {error}", file=sys.stderr)
        return error.code
    print("\n".join(results.describe(found)))
    print(f"{args.out}/results.json, {', '.join(chart.pictures(found))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
