"""`proofmill config` and `proofmill init`: the reference of all keys, their JSON schema, and a first config file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from jobs.config import ConfigError, SolveConfig, check_config
from jobs.configuration.describe import reference
from jobs.configuration.starter import commented_toml, starter_table
from jobs.exit_codes import EXIT_CONFIG, EXIT_DONE

TITLE = "Keys of a solve config"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=["reference", "schema"],
        help="reference: every key with type, default and meaning, as Markdown; schema: the JSON schema for editors",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the reference or the schema."""
    if args.what == "reference":
        print(reference(SolveConfig, TITLE), end="")
    else:
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **SolveConfig.model_json_schema()}
        print(json.dumps(schema, indent=2))
    return EXIT_DONE


def add_init_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="PATH", help="a Hugging Face folder or hub id")
    parser.add_argument(
        "--preset", metavar="NAME", help="what is published of a model, below the config: docs/models.md"
    )
    parser.add_argument("--problems", required=True, action="append", metavar="FILE", help="may be repeated")
    parser.add_argument("--out", default="out", metavar="URI", help="a folder or s3://bucket/prefix; default: out")
    parser.add_argument("--to", metavar="TOML", help="the file to write; default: print it")


def run_init(args: argparse.Namespace) -> int:
    """Writes a commented config; never over a file that is there."""
    try:
        if not args.model and args.preset is None:
            raise ConfigError("give --model or --preset (proofmill init --help has examples)")
        table = starter_table(args.model or "", args.problems, args.out, preset=args.preset or "")
        check_config(table, "proofmill init")
        text = commented_toml(table)
        if not args.to:
            print(text, end="")
            return EXIT_DONE
        write_new(Path(args.to), text)
    except ConfigError as error:
        print(f"proofmill: {error}", file=sys.stderr)
        return EXIT_CONFIG
    print(f"wrote {args.to}; next: proofmill doctor {args.to}, then proofmill solve {args.to} --dry-run")
    return EXIT_DONE


def write_new(path: Path, text: str) -> None:
    """Raises ConfigError where the file is there already or cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path}: is there already; remove it or choose another name") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
