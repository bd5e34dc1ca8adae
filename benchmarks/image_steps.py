"""Runs the Dockerfile's steps in a root file system, where no container engine and no registry can be had.

    debootstrap --variant=minbase --include=python3,python3-venv,python-is-python3,ca-certificates bookworm ROOT
    python -m benchmarks.image_steps ROOT [--bind PATH …]

Promises: every RUN, COPY, ENV, WORKDIR and USER of the stages that ENGINE and LEAN choose is done in order, as `docker
build` would, and the first that fails ends it with its output; the CMD runs last. RUN lines see what the image's would:
an environment of ENV and nothing else, a /proc of their own, and the user that USER names.
Does not: stand for the base image. It runs Debian's Python in the place of python:3.11-slim's (bookworm's 3.11.2 is too
old for Proofmill: put a newer one into ROOT, as `python` on its path), keeps one file system
for all stages (a stage of `COPY --from` is the same folder), and caches nothing. `--bind` gives the steps a path of
this machine, for instance the settings and certificates of its package mirror. Needs root.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = ROOT / "cluster" / "manifests" / "Dockerfile"


def instructions() -> Iterator[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.M).replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip():
            name, words = line.split(None, 1)
            yield name, words


def stages(arguments: dict[str, str]) -> list[tuple[str, str]]:
    """The instructions of the stages that the last one is made of, in order; ARG defaults go into `arguments`."""
    bodies: dict[str, list[tuple[str, str]]] = {}
    bases: dict[str, str] = {}
    name = ""
    for word, rest in instructions():
        if word == "ARG" and "=" in rest:
            key, _, value = rest.partition("=")
            arguments.setdefault(key, value)
        if word == "FROM":
            base, name = rest.split(" AS ")
            bases[name], bodies[name] = fill(base, arguments), []
        elif name:
            bodies[name].append((word, rest))
    needed = [name]
    for stage in needed:
        sources = [bases[stage], *re.findall(r"--from=(\S+)", " ".join(rest for _, rest in bodies[stage]))]
        needed += [source for source in sources if source in bodies and source not in needed]
    return [step for stage in bodies if stage in needed for step in bodies[stage]]


def fill(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], ""), text)


class Build:
    def __init__(self, root: Path, arguments: dict[str, str], binds: list[str]) -> None:
        self.root, self.arguments, self.binds = root, arguments, binds
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.environment = {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8"}
        self.folder, self.user = "/", "0"

    def copy(self, words: str) -> None:
        if "--from=" in words:
            return  # all stages share one file system
        *sources, target = fill(words, self.arguments).split()
        for source in sources:
            place = self.root / self.folder.lstrip("/") / target
            if (ROOT / source).is_dir():
                ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
                shutil.copytree(ROOT / source, place, dirs_exist_ok=True, ignore=ignore)
            else:
                place = place / Path(source).name if target.endswith("/") else place.parent / Path(source).name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, place)

    def run(self, command: str) -> int:
        mounts = [f"mount -t proc proc {self.root}/proc", f"mount --rbind /dev {self.root}/dev"]
        for path in self.binds:
            place = self.root / path.lstrip("/")
            if Path(path).is_dir():
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
            mounts.append(f"mount --bind {shlex.quote(path)} {shlex.quote(str(place))}")
        inside = f"cd {shlex.quote(self.folder)} && {command}"
        enter = shlex.join(["chroot", f"--userspec={self.user}:{self.user}", str(self.root), "/bin/sh", "-c", inside])
        words = ["unshare", "--mount", "--pid", "--fork", "sh", "-ec", f"{'; '.join(mounts)}; exec {enter}"]
        environment = {**self.environment, **{key: self.arguments[key] for key in ("ENGINE",) if key in self.arguments}}
        return subprocess.run(words, env=environment).returncode

    def step(self, word: str, rest: str) -> int:
        if word == "RUN":
            return self.run(fill_arguments(rest, self.arguments))
        if word == "COPY":
            self.copy(rest)
        elif word == "ENV":
            for pair in shlex.split(rest):
                key, _, value = pair.partition("=")
                self.environment[key] = fill(value, self.environment)
        elif word == "WORKDIR":
            self.folder = rest
            (self.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "USER":
            self.user = rest
            self.environment["HOME"] = "/home/ray"
        elif word == "CMD":
            return self.run(shlex.join(re.findall(r'"([^"]*)"', rest)))
        return 0


def fill_arguments(command: str, arguments: dict[str, str]) -> str:
    """The build's arguments in a RUN line; the shell's own variables stay."""
    return re.sub(r"\$\{(\w+)\}", lambda found: arguments.get(found[1], found[0]), command)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder that debootstrap made")
    parser.add_argument("--engine", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--lean", default="embedded", choices=["embedded", "mathlib"])
    parser.add_argument("--arg", action="append", default=[], metavar="NAME=VALUE", help="as of docker build")
    parser.add_argument("--bind", action="append", default=[], metavar="PATH", help="a path of this machine")
    parser.add_argument("--from-step", type=int, default=1, metavar="N", help="skip the RUN lines before step N")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("image_steps: chroot and mounts need root")
    given = dict(pair.split("=", 1) for pair in args.arg)
    arguments = {**given, "ENGINE": args.engine, "LEAN": args.lean}
    build = Build(args.root.resolve(), arguments, args.bind)
    for number, (word, rest) in enumerate(stages(arguments), 1):
        if word == "RUN" and number < args.from_step:
            continue
        print(f"step {number}: {word} {rest[:100]}", flush=True)
        began = time.monotonic()
        if code := build.step(word, rest):
            print(f"step {number} failed with exit code {code}")
            return 1
        if word in ("RUN", "CMD"):
            print(f"step {number} took {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
