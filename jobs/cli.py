"""The `proofmill` command: a table of commands, each in a module of its own, imported only when called."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from jobs.exit_codes import EXIT_CONFIG, EXIT_INTERRUPTED


class Command(NamedTuple):
    """`module` has `add_arguments(parser)` and `run(args) -> int`, under these names or with the given prefix."""

    module: str
    help: str
    example: str
    add: str = "add_arguments"
    run: str = "run"


COMMANDS = {
    "solve": Command(
        "jobs.solve.command",
        "run or resume a batch",
        "proofmill solve configs/solve/demo.toml\n"
        "proofmill solve configs/solve/vibethinker_3b.toml --dry-run\n"
        "proofmill solve my.toml --set sampling.num_samples=16 --set output.uri=s3://bucket/prefix\n"
        "proofmill solve --model models/tiny_reasoner --problems examples/problems/demo.jsonl --out out\n"
        "proofmill solve --preset qwen3.6-27b --problems my.jsonl --dry-run --on 8xH100",
    ),
    "init": Command(
        "jobs.configuration.command",
        "write a commented config for a model and problem files",
        "proofmill init --model models/tiny_reasoner --problems examples/problems/demo.jsonl --to my.toml",
        "add_init_arguments",
        "run_init",
    ),
    "config": Command(
        "jobs.configuration.command",
        "print the reference of all config keys, or their JSON schema",
        "proofmill config reference\nproofmill config schema > proofmill.schema.json",
    ),
    "verify": Command(
        "jobs.verify",
        "check given solutions, or a stored run again",
        "proofmill verify --problems set.jsonl --solutions answers.jsonl --out verdicts.jsonl\n"
        "proofmill verify --run out/runs/demo --out verdicts.jsonl",
    ),
    "export": Command(
        "jobs.export.command",
        "turn verified samples into training data",
        "proofmill export sft --run out/runs/demo --out out/data/sft\n"
        "proofmill export preference --run out/runs/demo --out s3://bucket/preference",
    ),
    "report": Command(
        "jobs.report.command",
        "write a run's report, or compare two runs",
        "proofmill report --run out/runs/demo\nproofmill report --compare out/runs/monday out/runs/tuesday\n"
        "proofmill report --run out/runs/demo --story demo-7:3\nproofmill report --run out/runs/demo --select",
    ),
    "submit": Command(
        "jobs.submit.command",
        "run the same job on a remote Ray cluster",
        "proofmill submit configs/solve/demo.toml --address http://head:8265",
    ),
    "jobs": Command(
        "jobs.submit.command",
        "list a cluster's jobs",
        "proofmill jobs --address http://head:8265",
        "add_jobs_arguments",
        "run_jobs",
    ),
    "logs": Command(
        "jobs.submit.command",
        "follow a job's log",
        "proofmill logs raysubmit_1234 --address http://head:8265",
        "add_logs_arguments",
        "run_logs",
    ),
    "stop": Command(
        "jobs.submit.command",
        "stop a job in good order",
        "proofmill stop raysubmit_1234 --address http://head:8265",
        "add_stop_arguments",
        "run_stop",
    ),
    "search": Command(
        "jobs.lean.search.command",
        "prove Lean problems by best-first search over tactics",
        "proofmill search --problems set.jsonl --out solutions.jsonl --log searches.jsonl\n"
        "proofmill search --problems set.jsonl --out solutions.jsonl --model models/tiny_reasoner --prompt theorem",
    ),
    "problems": Command(
        "jobs.problems.command",
        "make a problem set of a Lean repository's theorems, or list references that may be wrong",
        "proofmill problems from-repo https://github.com/yangky11/lean4-example main --out problems.jsonl\n"
        "proofmill problems from-repo ~/my_project HEAD --out problems.jsonl\n"
        "proofmill problems suspects out/runs/demo",
    ),
    "lean": Command("jobs.lean.command", "set the embedded Lean up", "proofmill lean setup"),
    "doctor": Command(
        "jobs.doctor",
        "show what this machine can do, and check a config, its problems and its plan",
        "proofmill doctor\nproofmill doctor configs/solve/demo.toml",
    ),
    "nightly": Command(
        "jobs.nightly.command",
        "run the night's problem sets and compare with the night before",
        "proofmill nightly configs/nightly/demo.toml\nproofmill nightly configs/nightly/*.toml --daemon",
    ),
    "attempt": Command(
        "jobs.attempt",
        "a command under a scheduler that tries failures again: what would fail again ends with 0",
        "proofmill attempt nightly configs/nightly/demo.toml",
    ),
    "serve": Command(
        "jobs.service.command", "serve verification and solving by HTTP", "proofmill serve configs/service/local.toml"
    ),
    "completion": Command(
        "jobs.completion",
        "print a shell's completion script",
        'eval "$(proofmill completion bash)"\nproofmill completion zsh > ~/.zsh/completions/_proofmill',
    ),
}


WITHOUT_CONFIG = ("verify", "export", "report", "search", "problems", "doctor")
"""Commands that read tables and have no run config with `plugins`, so they take --plugin."""


def make_parser(with_arguments: Collection[str]) -> argparse.ArgumentParser:
    """The parser of all commands. Only the named ones are imported and have their arguments: imports take seconds."""
    parser = argparse.ArgumentParser(
        prog="proofmill",
        description="Sample many solutions per problem, keep what can be proven right.",
        epilog="proofmill COMMAND --help shows a command's options and examples.",
    )
    parser.add_argument("--version", action=ShowVersion, nargs=0, help="print version and code revision")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=command.help,
            description=command.help[0].upper() + command.help[1:] + ".",
            epilog="examples:\n  " + command.example.replace("\n", "\n  "),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in with_arguments:
            getattr(importlib.import_module(command.module), command.add)(sub)
            if name in WITHOUT_CONFIG:
                sub.add_argument(
                    "--plugin",
                    action="append",
                    default=[],
                    metavar="MODULE",
                    dest="plugins",
                    help="a module that adds kinds, engines, export formats, …; may be repeated",
                )
    return parser


class ShowVersion(argparse.Action):
    """Prints the version of the package and the revision of its code, which run.json stores too."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        from runstore.code_revision import code_revision

        try:
            number = version("proofmill")
        except PackageNotFoundError:  # run from a checkout that was never installed
            number = "not installed"
        print(f"proofmill {number} ({code_revision()})")
        parser.exit()


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 done, 2 usage or config error, 3 finished with errors, 130 interrupted (resumable)."""
    fault = misplaced_package()
    if fault:
        print(f"proofmill: {fault}", file=sys.stderr)
        return EXIT_CONFIG
    argv = sys.argv[1:] if argv is None else argv
    from verifiers.plugins import PluginError, use

    try:
        args = make_parser(argv[:1]).parse_args(argv)
        command = COMMANDS[args.command]
        use(getattr(args, "plugins", []))
        return int(getattr(importlib.import_module(command.module), command.run)(args))
    except PluginError as error:
        print(f"proofmill: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return 141


def misplaced_package() -> str:
    """An error text if one of our packages comes from another distribution; else empty. The package names are generic,
    and a foreign `verifiers` would later cause errors that do not name the cause."""
    root = Path(__file__).resolve().parents[1]
    for name in ("verifiers", "runstore"):  # what the list of our packages is imported from
        if fault := _misplaced(name, root):
            return fault
    from runstore.code_revision import PACKAGES

    return next((fault for name in PACKAGES if (fault := _misplaced(name, root))), "")


def _misplaced(name: str, root: Path) -> str:
    spec = importlib.util.find_spec(name)
    origin = Path(spec.origin).resolve() if spec and spec.origin else None
    if origin is not None and origin.parents[1] == root:
        return ""
    return (
        f"the package `{name}` comes from {origin}, not from {root}: another distribution of that name shadows "
        "it. Install Proofmill in a virtual environment of its own."
    )


if __name__ == "__main__":
    sys.exit(main())
