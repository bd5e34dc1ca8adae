"""`proofmill export`: training data from stored runs.

Exit codes: 0 done, 2 usage or config error, 3 a broken run, a lost store or a killed process, 130 interrupted. After
any but the first, nothing is visible at --out, and the same command starts afresh.
"""

from __future__ import annotations

import argparse
import json
import sys

from jobs.config import ConfigError
from jobs.errors import TOLD, exit_code_of
from jobs.exit_codes import EXIT_DONE, EXIT_ERRORS, EXIT_INTERRUPTED
from jobs.export.formats_table import FORMATS
from jobs.export.settings import ExportSettings, load_settings
from jobs.layers import COMMAND_LINE, in_terms_of_arguments, keys_of
from jobs.stored_plugins import require_plugins
from verifiers.types import Json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", metavar="FORMAT", help=f"what the rows are for: {', '.join(FORMATS)}")
    parser.add_argument("--run", action="append", required=True, metavar="URI", help="a run's folder; may be repeated")
    parser.add_argument("--out", required=True, metavar="URI", help="a new folder or s3://bucket/prefix")
    parser.add_argument("--config", metavar="TOML", help="settings, for instance configs/export/sft.toml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="overrides one setting")
    layouts = "; ".join(f"{name}: {', '.join(FORMATS.row(name).layouts)}" for name in FORMATS)
    parser.add_argument("--layout", help=f"columns by consumer. {layouts}")
    parser.add_argument("--files", choices=["parquet", "jsonl", "both"], help="data files to write; default: parquet")
    parser.add_argument(
        "--select",
        choices=["diverse", "shortest", "middle", "learning_potential", "first"],
        help="which of a problem's samples are taken, where --per-problem leaves some out",
    )
    parser.add_argument("--per-problem", type=int, metavar="K", help="largest number of samples or pairs per problem")
    parser.add_argument("--tier", action="append", metavar="NAME", help="only samples checked under this tier")
    parser.add_argument(
        "--audit", action="append", metavar="NAME", help="only verified so, e.g. 'kernel replay' (Lean)"
    )
    parser.add_argument("--variant", action="append", metavar="NAME", help="only samples of this variant of the run")
    parser.add_argument("--min-thought-tokens", type=int, metavar="N", help="only samples that thought so long")
    parser.add_argument("--min-pass-rate", type=float, metavar="P", help="only problems solved at least so often")
    parser.add_argument("--max-pass-rate", type=float, metavar="P", help="only problems solved at most so often")
    parser.add_argument(
        "--rates-from", action="append", metavar="URI", help="a run of another model that gives the pass rates"
    )
    parser.add_argument(
        "--mixed", action="store_true", help="rl: any pass rate but 0 and 1, unless --min- and --max-pass-rate say more"
    )
    parser.add_argument(
        "--labels", choices=["verified", "agreed"], help="agreed: unchecked samples whose answer was agreed on, alone"
    )
    parser.add_argument("--min-probability", type=float, metavar="P", help="--labels agreed: default 0.95")
    parser.add_argument("--drop-suspects", action="store_true", help="leave out problems whose reference may be wrong")
    parser.add_argument("--student", metavar="MODEL", help="model whose surprise --select learning_potential measures")
    parser.add_argument("--decontaminate", action="append", metavar="FILE", help="an evaluation set; may be repeated")
    parser.add_argument(
        "--mapping", metavar="TOML", help="how --decontaminate reads its files: layout, kind, [columns]"
    )
    parser.add_argument("--against", action="append", metavar="URI", help="an earlier export; may be repeated")
    parser.add_argument("--data-source", metavar="NAME", help="rl: name of your own reward function")
    parser.add_argument(
        "--push-to-hub", metavar="ORG/NAME", help="upload the set to a private repository of the hub; token in HF_TOKEN"
    )
    parser.add_argument("--work-dir", metavar="PATH", help="scratch space, about as large as the run")
    parser.add_argument("--processes", type=int, metavar="N", help="worker processes; default: one per core, at most 8")
    parser.add_argument("--skip-bad", action="store_true", help="leave unreadable rows out instead of stopping")
    parser.add_argument("--overwrite", action="store_true", help="replace the data set at --out")
    parser.add_argument("--print-config", action="store_true", help="print the resolved settings and stop")


FLAGS = {
    "layout": "output.layout",
    "files": "output.files",
    "select": "select.strategy",
    "per_problem": "select.per_problem",
    "tier": "select.tiers",
    "audit": "select.audits",
    "variant": "select.variants",
    "min_thought_tokens": "select.min_thought_tokens",
    "min_pass_rate": "select.min_pass_rate",
    "max_pass_rate": "select.max_pass_rate",
    "rates_from": "select.rates_from",
    "mixed": "rl.mixed",
    "student": "select.student",
    "labels": "select.labels",
    "min_probability": "select.min_probability",
    "drop_suspects": "select.drop_suspects",
    "decontaminate": "decontaminate.files",
    "against": "dedup.against",
    "data_source": "rl.data_source",
    "push_to_hub": "output.push_to_hub",
    "work_dir": "work.directory",
    "processes": "work.processes",
    "skip_bad": "work.skip_bad",
    "overwrite": "output.overwrite",
}


BAND = {"min_pass_rate": "rl.low", "max_pass_rate": "rl.high"}


def _given(args: argparse.Namespace) -> dict[str, Json]:
    """The values of the flags that were given. Zero is one, and not the absence of a flag."""
    values = {flag: getattr(args, flag) for flag in FLAGS}
    return {flag: value for flag, value in values.items() if value is not None and value is not False}


def overrides(args: argparse.Namespace) -> list[str]:
    """The flags as `key=value` settings; JSON is valid TOML for these types. --set comes last and wins."""
    given = _given(args)
    if args.mapping:
        given.pop("decontaminate", None)
    # The whole open band, where the command does not give an end of it.
    ends = [f"{key}={end}" for key, end in (("rl.low", 0.0), ("rl.high", 1.0))] if args.mixed else []
    return [*ends, *(f"{key_of(flag, args)}={json.dumps(value)}" for flag, value in given.items()), *args.set]


def key_of(flag: str, args: argparse.Namespace) -> str:
    """The setting of a flag. A pool of problems has a band of pass rates of its own."""
    return BAND.get(flag, FLAGS[flag]) if args.format == "rl" else FLAGS[flag]


def mapped_sources(args: argparse.Namespace) -> list[Json]:
    """The files of --decontaminate that are read by --mapping, as `decontaminate.sources`. Raises ConfigError."""
    if not args.mapping:
        return []
    if not args.decontaminate:
        raise ConfigError("--mapping says how files of --decontaminate are read: give both")
    from jobs.problems.mapping_files import read_mapping_file

    found = read_mapping_file(args.mapping)
    layout = "columns" if found.columns else found.layout
    return [{"files": args.decontaminate, "layout": layout, "kind": found.kind, "columns": found.columns}]


def arguments(args: argparse.Namespace) -> dict[str, str]:
    """The settings that the command line gives other than by --set, each with the argument that gives it."""
    flags = {key_of(flag, args): f"--{flag.replace('_', '-')}" for flag in _given(args)}
    return {"format": "FORMAT"} | {key: flag for key, flag in flags.items() if key not in keys_of(args.set)}


def settings_of(args: argparse.Namespace) -> ExportSettings:
    """Raises ConfigError in the terms of the command line."""
    try:
        return load_settings(args.format, args.config, overrides(args), mapped_sources(args))
    except ConfigError as error:
        raise ConfigError(in_terms_of_arguments(str(error), args.config or COMMAND_LINE, arguments(args))) from None


def run(args: argparse.Namespace) -> int:
    try:
        settings = settings_of(args)
        if args.print_config:
            print(json.dumps(settings.resolved(), indent=2))
            return EXIT_DONE
        for uri in args.run:
            require_plugins(uri)
        from jobs.export import push
        from jobs.export.pipeline import export
        from jobs.export.summary import ranking_note

        if settings.output.push_to_hub:
            push.check_settings(settings, args.out)
            push.check_repository(settings)
        progress = Progress()
        try:
            summary = export(settings, args.run, args.out, progress)
        finally:
            progress.close()
        address = push.push(settings, args.out) if settings.output.push_to_hub else ""
    except TOLD as error:
        print(f"proofmill export: {error}", file=sys.stderr)
        return exit_code_of(error)
    except storage_errors() as error:
        print(f"proofmill export: {error}", file=sys.stderr)
        print("Nothing is visible at --out; the same command starts afresh.", file=sys.stderr)
        return EXIT_ERRORS
    except KeyboardInterrupt:
        print(
            "\nproofmill export: interrupted; nothing was left at --out, the same command starts afresh",
            file=sys.stderr,
        )
        return EXIT_INTERRUPTED
    read, seconds = summary.facts.num_rows, max(summary.seconds, 1e-9)
    rows = f"{summary.num_rows} {settings.row.row_name} in {args.out}"
    print(f"{rows}, from {read} samples in {seconds:.1f} s ({read / seconds:.0f} per second)")
    if address:
        print(f"uploaded: {address}")
    if note := ranking_note(summary):
        print(f"note: {note}")
    return EXIT_DONE


def storage_errors() -> tuple[type[Exception], ...]:
    """What a disk or an object store that fails in the middle raises."""
    from botocore.exceptions import BotoCoreError, ClientError

    return OSError, BotoCoreError, ClientError


class Progress:
    """One line that is written over on a terminal; elsewhere a plain line now and then."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()

    def __call__(self, line: str) -> None:
        if self._terminal:
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr)

    def close(self) -> None:
        """Clears the line before the last message."""
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
