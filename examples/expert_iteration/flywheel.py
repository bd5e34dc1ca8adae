"""Expert iteration, and a control that skips the verification.

    python -m examples.expert_iteration.flywheel examples/expert_iteration/flywheel.toml --out out/flywheel

                     ┌────────────── next round ──────────────┐
    model ──► proofmill solve ──► proofmill export sft ──► finetune ──► model          arm `verified`
                 held-out problems: measured, never exported
                 the round's problems: sampled and verified
                     └──► second samples, verdicts ignored ──► finetune ──► model      arm `control`

Both arms start from the same model, see the same problems in each round, train on one sample each of the same ones with
the same recipe, and each samples from its own latest model. One run of `solve` a model does both jobs.

Promises: every stage's output appears whole or not at all and is not made again, so the same command goes on where it
was stopped; another config or another starting model in the same folder is refused.
Exit codes: those of `proofmill solve`.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from examples.expert_iteration import chart, measurement, selection
from examples.expert_iteration.problem_files import held_out_items, round_items, write_problems, write_whole
from examples.expert_iteration.settings import Settings, load_settings
from jobs.config import ConfigError, load_config
from workers.sampling.estimates import Estimate

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
START = "start"
VERIFIED, CONTROL = "verified", "control"
NAMES = {VERIFIED: "trained on verified samples", CONTROL: "control: as many, unverified"}


class StageError(Exception):
    """A command of a stage failed. Carries its exit code."""

    def __init__(self, stage: str, code: int) -> None:
        super().__init__(f"{stage}: exit code {code}; the same command goes on from here")
        self.code = code


class Flywheel:
    """The stages of one flywheel in one folder. `start` is the model that both arms begin with."""

    def __init__(self, settings: Settings, start: Path, solve_config: Path, overrides: list[str], out: Path) -> None:
        self.settings = settings
        self.start = start
        self.solve_config = solve_config
        self.overrides = overrides
        self.out = out
        self.held_out = out / "problems" / "held_out.jsonl"

    def run(self) -> dict[str, Any]:
        """Every stage that is not there yet, then the results. Raises ConfigError or StageError."""
        self.check_folder()
        if not (self.out / "problems" / f"round_{self.settings.rounds}.jsonl").exists():
            write_problems(held_out_items(self.settings), self.held_out)
            for number, items in enumerate(round_items(self.settings), 1):
                write_problems(items, self.out / "problems" / f"round_{number}.jsonl")
        self.sample(START, self.start, 1)
        for number in range(1, self.settings.rounds + 1):
            for arm in (VERIFIED, CONTROL):
                model = self.train(arm, number, self.choose(arm, number))
                self.sample(name(arm, number), model, number + 1)
        return self.publish()

    # Stages.

    def check_folder(self) -> None:
        """Raises ConfigError if the folder was begun with something else, or the two configs do not fit together."""
        solve = load_config(self.solve_config, self.overrides)
        if solve.sampling.policy != "fixed" and solve.sampling.num_verified <= selection.CONTROL_INDEX:
            raise ConfigError(
                f"{self.solve_config}: sampling.num_verified: is {solve.sampling.num_verified} and should be at least "
                f"{selection.CONTROL_INDEX + 1}: a problem may end before the sample that the control takes"
            )
        described = {
            "settings": self.settings.model_dump(mode="json"),
            "solve": solve.resolved(),
            "start": {"model": self.start.name, "sha256": sha256(self.start / "model.safetensors")},
        }
        path = self.out / "flywheel.json"
        if not path.exists():
            write_whole(path, json.dumps(described, indent=1) + "\n")
        before = json.loads(path.read_text())
        changed = [key for key in described if before.get(key) != described[key]]
        if changed:
            raise ConfigError(
                f"{path}: begun with other {', '.join(changed)}; choose another --out or delete the folder"
            )

    def sample(self, run_id: str, model: Path, next_round: int) -> None:
        """Measures `model` on the held-out problems and, unless it is the last, samples the next round's."""
        files = [str(self.held_out)]
        if next_round <= self.settings.rounds:
            files.append(str(self.out / "problems" / f"round_{next_round}.jsonl"))
        record = self.run_folder(run_id) / "run.json"
        if record.exists() and json.loads(record.read_text()).get("complete"):
            return
        values = {
            "run.id": run_id,
            "run.seed": self.settings.seed,
            "problems.files": files,
            "model.path": str(model),
            "output.uri": str(self.out),
        }
        chosen = [f"{key}={json.dumps(value)}" for key, value in values.items()]
        flags = [part for text in [*self.overrides, *chosen] for part in ("--set", text)]
        self.command(f"solve {run_id}", "-m", "jobs.cli", "solve", str(self.solve_config), *flags)

    def choose(self, arm: str, number: int) -> Path:
        """What an arm is trained on in a round: JSONL of conversations. The control follows the verified arm."""
        path = self.out / "data" / f"{name(arm, number)}.jsonl"
        if not path.exists():
            run = self.run_folder(self.previous(arm, number))
            if arm == VERIFIED:
                export = self.export(number, run)
                rows = selection.verified_rows(export, run, self.settings.training.hard_only)
            else:
                problem_ids = [row["problem_id"] for row in selection.read_rows(self.choose(VERIFIED, number))]
                rows = selection.control_rows(run, problem_ids)
            selection.write_rows(rows, path)
        return path

    def export(self, number: int, run: Path) -> Path:
        """The round's verified samples, one per problem, as `proofmill export` chooses them."""
        folder = self.out / "exports" / f"round-{number}"
        if not folder.exists():
            flags = ["--layout", "messages", "--select", "first", "--per-problem", "1"]
            flags += ["--set", 'select.splits=["train"]', "--decontaminate", str(self.held_out)]
            where = ["--run", str(run), "--out", str(folder)]
            self.command(f"export {folder.name}", "-m", "jobs.cli", "export", "sft", *where, *flags)
        return folder

    def train(self, arm: str, number: int, data: Path) -> Path:
        """Goes on from the arm's last model; returns the new one's folder."""
        folder = self.out / "models" / name(arm, number)
        if not folder.exists():
            begin = self.out / "models" / name(arm, number - 1) if number > 1 else self.start
            partial = folder.with_name(f".{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            recipe = self.settings.training
            flags = ["--epochs", str(recipe.epochs), "--batch-size", str(recipe.batch_size), "--peak", str(recipe.peak)]
            flags += ["--seed", str(self.settings.seed)]
            where = ["--data", str(data), "--model", str(begin), "--out", str(partial)]
            self.command(f"finetune {folder.name}", "-m", "models.tiny_reasoner.finetune", *where, *flags)
            partial.rename(folder)
        return folder

    def command(self, stage: str, *arguments: str) -> None:
        """Runs one of the project's commands and notes the time it took. Raises StageError."""
        print(f"== {stage}", flush=True)
        begun = time.monotonic()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=False)
        if done.returncode:
            raise StageError(stage, done.returncode)
        with (self.out / "stages.jsonl").open("a") as log:
            log.write(json.dumps({"stage": stage, "seconds": round(time.monotonic() - begun, 1)}) + "\n")

    # Results.

    def publish(self) -> dict[str, Any]:
        """Writes pass_rates.svg, pass_rates.csv and results.json; returns what the last one holds."""
        rounds = range(self.settings.rounds + 1)
        stops = {
            arm: [measurement.held_out_stops(self.run_folder(name(arm, r) if r else START)) for r in rounds]
            for arm in NAMES
        }
        rates = {
            arm: [{d: measurement.pass_rates(s) for d, s in by_domain.items()} for by_domain in column]
            for arm, column in stops.items()
        }
        ks = sorted(rates[VERIFIED][0][measurement.OVERALL])
        panels = {
            f"pass@{k} on held-out problems": {
                NAMES[arm]: [by_domain[measurement.OVERALL][k] for by_domain in column] for arm, column in rates.items()
            }
            for k in ks
        }
        write_whole(self.out / "pass_rates.svg", chart.svg(panels))
        write_whole(self.out / "pass_rates.csv", table(rates))
        everything = {arm: [by_domain[measurement.OVERALL] for by_domain in column] for arm, column in stops.items()}
        pairs = {
            "verified - start": (everything[VERIFIED][0], everything[VERIFIED][-1]),
            "control - start": (everything[CONTROL][0], everything[CONTROL][-1]),
            "verified - control": (everything[CONTROL][-1], everything[VERIFIED][-1]),
        }
        results = {
            **json.loads((self.out / "flywheel.json").read_text()),
            "held_out_problems": len(everything[VERIFIED][0]),
            "differences": {
                f"pass@{k}": {what: rounded(measurement.difference(*pair, k)) for what, pair in pairs.items()}
                for k in ks
            },
            "training": [self.describe_data(arm, r) for r in rounds[1:] for arm in NAMES],
            "stages": [json.loads(line) for line in (self.out / "stages.jsonl").read_text().splitlines()],
        }
        write_whole(self.out / "results.json", json.dumps(results, indent=1) + "\n")
        return results

    def describe_data(self, arm: str, number: int) -> dict[str, Any]:
        """How much an arm was trained on in one round, and how much of it was right."""
        rows = selection.read_rows(self.choose(arm, number))
        tokens = sum(row["tokens"] for row in rows)
        share = round(sum(row["status"] == "verified" for row in rows) / max(len(rows), 1), 4)
        return {"arm": arm, "round": number, "rows": len(rows), "completion_tokens": tokens, "verified": share}

    def previous(self, arm: str, number: int) -> str:
        """The run that sampled for this round."""
        return name(arm, number - 1) if number > 1 else START

    def run_folder(self, run_id: str) -> Path:
        return self.out / "runs" / run_id


def name(arm: str, number: int) -> str:
    return f"{arm}-{number}"


def sha256(path: Path) -> str:
    """Raises ConfigError where there is no such file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; --model wants a Hugging Face model directory")


def rounded(estimate: Estimate) -> dict[str, float]:
    return {key: round(value, 4) for key, value in dataclasses.asdict(estimate).items()}


def table(rates: dict[str, list[dict[str, dict[int, Estimate]]]]) -> str:
    """Rows of arm, round, domain, k and the estimate with its 95 % interval."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("arm", "round", "domain", "k", "pass_rate", "low", "high"))
    for arm, column in rates.items():
        for number, by_domain in enumerate(column):
            for domain, by_k in by_domain.items():
                for k, estimate in by_k.items():
                    writer.writerow((arm, number, domain, k, *rounded(estimate).values()))
    return file.getvalue()


def describe(results: dict[str, Any]) -> Iterator[str]:
    """The differences, for a terminal."""
    for k, rows in results["differences"].items():
        for what, e in rows.items():
            yield f"{k:8} {what:20} {100 * e['value']:+6.1f} points  [{100 * e['low']:+.1f}, {100 * e['high']:+.1f}]"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="for instance examples/expert_iteration/flywheel.toml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="overrides one setting")
    parser.add_argument("--solve", type=Path, default=HERE / "solve.toml", help="config of the runs")
    parser.add_argument("--set-solve", action="append", default=[], metavar="KEY=VALUE", help="overrides one key of it")
    parser.add_argument(
        "--model", type=Path, default=ROOT / "models" / "tiny_reasoner", help="what both arms begin with"
    )
    parser.add_argument("--out", type=Path, default=Path("out/flywheel"))
    args = parser.parse_args()
    try:
        settings = load_settings(args.config, args.set)
        flywheel = Flywheel(settings, args.model.resolve(), args.solve, args.set_solve, args.out.resolve())
        results = flywheel.run()
    except ConfigError as error:
        print(f"flywheel: {error}", file=sys.stderr)
        return 2
    except StageError as error:
        print(f"flywheel: {error}", file=sys.stderr)
        return error.code
    print("\n".join(describe(results)))
    print(f"{args.out}/pass_rates.svg, pass_rates.csv, results.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
