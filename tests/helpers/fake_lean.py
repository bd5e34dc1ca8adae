"""A FAKE Lean toolchain: scripts that answer as `lean`, `lake`, `leanexport`, `leanchecker`, `safe_verify`, `repl` do.

It knows nothing of logic. It exists because no whole toolchain can be had where these tests run (real_lean.py has the
program `lean` alone), and drives the engine end to end: rooms, files, exit codes, words, limits. What it answers has
the form that the real tools' sources give (versions in verifiers/lean/native/tools.py). Its language: lines
`theorem NAME : TYPE := PROOF`, `def NAME : TYPE := X`, `structure NAME : TYPE := X`, `import M`, and comments
`-- fake: …` that make the elaborating process do what an attack does. Its compiled files have Lean's own layout.

A PROOF is `proof` (good), `wrong` (an elaboration error), `by sorry`, `macro` (a macro that hides a sorry),
`axiom:NAME`, `costs:N` (good, for N heartbeats), `unchecked` (the elaborator takes it, the kernel would not).
"""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import sys
import time

THEOREM = re.compile(r"^(theorem|def|structure) (\S+) : (.*?) :=\s*(.*)$")
STANDARD = ("propext", "Quot.sound", "Classical.choice")
# Not all that this project asks for: `eagerReduce` is of a later version than this one pretends to be.
PRIMITIVES = (
    *("Nat.add", "Nat.sub", "Nat.mul", "Nat.pow", "Nat.gcd", "Nat.div", "Nat.mod", "Nat.beq", "Nat.ble", "Nat.land"),
    *("Nat.lor", "Nat.xor", "Nat.shiftLeft", "Nat.shiftRight", "Nat", "String", "Char", "List", "Quot", "Quot.mk"),
    *("Quot.lift", "Quot.ind", "Char.ofNat", "String.ofList", "String.mk", "optParam", "autoParam", "outParam"),
    "semiOutParam",
)


def main(tool: str, argv: list[str]) -> int:
    return {
        "lean": lean,
        "lake": lake,
        "leanexport": leanexport,
        "leanchecker": leanchecker,
        "safe_verify": safe_verify,
        "repl": repl,
    }[tool](argv)


def version() -> str:
    with open(os.path.join(sys.path[0], "version")) as file:
        return file.read().strip()


# Elaboration


def heartbeats(text: str, before: int = 200_000) -> int:
    """The budget at the end of the text."""
    found = re.findall(r"^set_option maxHeartbeats (\d+)$", text, re.M)
    return int(found[-1]) if found else before


def elaborate(text: str, budget: int = 200_000) -> tuple[dict, list[dict]]:
    """Constants and messages."""
    text = text.replace(":=\n  _root_.sorryAx _ _root_.Bool.false", ":= by sorry\n")  # the number of lines stays
    constants: dict[str, dict] = {}
    messages = []
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if line.startswith("-- fake: "):
            misbehave(line.removeprefix("-- fake: "))
        elif found := THEOREM.match(line):
            kind, name, type_, proof = found.groups()
            proof = proof.removeprefix("by ").strip()
            column = line.index(":=") + 3
            cost = int(proof[6:]) if proof.startswith("costs:") else 0
            if proof in ("wrong", ""):
                messages.append(message("error", number, column, "unsolved goals\nn : Nat\n⊢ " + type_))
            elif "forever" in proof or cost > heartbeats("\n".join(lines[:number]), budget):
                words = "(deterministic) timeout at `whnf`, maximum number of heartbeats (200000) has been reached"
                messages.append(message("error", number, column, words))
            else:
                if proof in ("sorry", "macro"):
                    messages.append(message("warning", number, 8, "declaration uses `sorry`"))
                constants[name] = {"kind": {"theorem": "thm"}.get(kind, kind), "type": type_, "proof": proof}
        elif line.startswith("#print axioms "):
            name = line.split()[-1]
            full = next((n for n in constants if n == name or n.endswith("." + name)), None)
            if full is None:
                messages.append(message("error", number, 14, f"Unknown constant `{name}`"))
            else:
                axioms = axioms_of(constants[full])
                said = f"depends on axioms: [{', '.join(axioms)}]" if axioms else "does not depend on any axioms"
                messages.append(message("information", number, 0, f"'{full}' {said}"))
        elif line and not line.startswith(("import ", "open ", "set_option ", "--", "/-", "#check")):
            messages.append(message("error", number, 0, "unexpected identifier; expected command"))
    return constants, messages


def message(severity: str, line: int, column: int, text: str) -> dict:
    return {
        "caption": "",
        "data": text,
        "endPos": {"column": column + 1, "line": line},
        "fileName": "ProofmillProblem.lean",
        "isSilent": False,
        "keepFullRange": False,
        "kind": "[anonymous]",
        "pos": {"column": column, "line": line},
        "severity": severity,
    }


def axioms_of(constant: dict) -> list[str]:
    proof = constant["proof"]
    return ["sorryAx"] if proof in ("sorry", "macro") else [proof[6:]] if proof.startswith("axiom:") else []


def misbehave(what: str) -> None:
    """What a candidate's code may do while it is elaborated."""
    word, _, rest = what.partition(" ")
    if word == "print":
        print(rest, flush=True)
    elif word == "sleep":
        time.sleep(float(rest))
    elif word == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "exit":
        os._exit(int(rest))
    elif word == "flood":
        while True:
            print("x" * 100_000)
    elif word == "memory":
        hog = []
        while True:
            hog.append(bytearray(1 << 24))
    elif word == "daemon":
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(600)
            os._exit(0)
    elif word == "olean":  # writes the compiled file itself and leaves before Lean can
        with open("/tmp/ProofmillProblem.olean", "wb") as file:
            file.write(compiled(json.loads(rest)) if rest.startswith("{") else rest.encode())
        os._exit(0)
    elif word == "touch":
        with open(rest, "a") as file:
            file.write("touched")
    elif word == "read":
        with open(rest) as file:
            print(json.dumps(message("error", 1, 0, "read: " + file.read())))
        os._exit(1)
    elif word == "later":  # leaves output behind for the next command
        if os.fork() == 0:
            time.sleep(0.3)
            print(rest + "\n", flush=True)
            os._exit(0)
    else:
        raise ValueError(what)


def lean(argv: list[str]) -> int:
    if argv == ["--version"]:
        print(f"Lean (version {version()}, x86_64-unknown-linux-gnu, commit 0123456789abcdef0123, Release)")
        return 0
    if argv == ["--print-prefix"]:
        print(os.path.dirname(sys.path[0]))
        return 0
    assert argv[0] == "-DmaxHeartbeats=200000" and argv[1:3] == ["--json", "-o"], argv
    with open(argv[4]) as file:
        text = file.read()
    for name in re.findall(r"^import (\S+)", text, re.M):
        if find_module(name) is None:
            print(json.dumps(message("error", 1, 0, f"unknown module prefix '{name}'")))
            return 1
    constants, messages = elaborate(text)
    for row in messages:
        print(json.dumps(row))
    if any(row["severity"] == "error" for row in messages):
        return 1
    with open(argv[3], "wb") as file:
        file.write(compiled({"constants": constants}))
    return 0


class Image:
    """A compiled file in Lean's layout (version 2): a header, the address of the module, and its objects."""

    def __init__(self) -> None:
        self.base = 1 << 32
        self.data = bytearray(struct.pack("<5sBB33s40sQQ", b"olean", 2, 1, version().encode(), b"0" * 40, self.base, 0))

    def put(self, tag: int, count: int, body: bytes) -> int:
        place = self.base + len(self.data)
        self.data += struct.pack("<IHBB", 0, 0, count, tag) + body + bytes(-len(body) % 8)
        return place

    def new(self, tag: int, *fields: int, scalars: int = 8) -> int:
        return self.put(tag, len(fields), struct.pack(f"<{len(fields)}Q", *fields) + bytes(scalars))

    def array(self, items: list[int]) -> int:
        return self.put(246, 0, struct.pack(f"<QQ{len(items)}Q", len(items), len(items), *items))

    def list(self, items: list[int]) -> int:
        made = 1
        for item in reversed(items):
            made = self.new(1, item, made)
        return made

    def name(self, text: str) -> int:
        made = 1
        for part in text.split("."):
            data = part.encode() + b"\0"
            made = self.new(1, made, self.put(249, 0, struct.pack("<QQQ", len(data), len(data), len(part)) + data))
        return made

    def const(self, text: str) -> int:
        return self.new(4, self.name(text), 1)


def compiled(module: dict) -> bytes:
    """The constants as a compiled file, with what this fake knows of them behind it."""
    image, constants = Image(), module["constants"]
    infos = []
    for name, constant in constants.items():
        type_ = image.const("type " + re.sub(r"\W+", "_", constant["type"]))
        for word in re.findall(r"\w+", constant["type"]):
            if word in constants:
                type_ = image.new(5, type_, image.const(word))
        head = image.new(0, image.name(name), 1, type_)
        value = image.const((axioms_of(constant) or ["value " + constant["proof"]])[0])
        if constant["kind"] == "structure":
            infos.append(image.new(5, image.new(0, head, 1, 1, image.list([image.name(name)]), 1, 1)))
        elif constant["kind"] == "def":
            infos.append(image.new(1, image.new(0, head, value, 1, image.list([image.name(name)]))))
        else:
            infos.append(image.new(2, image.new(0, head, value, image.list([image.name(name)]))))
    imports = [image.new(0, image.name("Init"))]
    root = image.new(0, image.array(imports), image.array([]), image.array(infos), image.array([]), image.array([]))
    struct.pack_into("<Q", image.data, 88, root)
    return bytes(image.data) + b"\n" + json.dumps(module).encode()


def find_module(name: str) -> str | None:
    for folder in (os.environ.get("LEAN_PATH", "")).split(":"):
        path = os.path.join(folder, *name.split(".")) + ".olean"
        if folder and os.path.isfile(path):
            return path
    return None


def load(path: str) -> dict:
    """Maps a compiled file, which a crafted one may answer by taking over."""
    with open(path, "rb") as file:
        data = json.loads(file.read().rpartition(b"\n")[2])
    if "takes_over" in data:
        takeover = data["takes_over"].get(os.path.basename(sys.argv[0]), {})
        if takeover:
            sys.stdout.write(takeover.get("stdout", ""))
            sys.stderr.write(takeover.get("stderr", ""))
            sys.stdout.flush()
            os._exit(takeover.get("code", 0))
    return data["constants"]


# Exports


def leanexport(argv: list[str]) -> int:
    module, separator, *names = argv
    assert separator == "--"
    path = find_module(module)
    constants = load(path) if path else {}
    known = {*constants, *STANDARD, *PRIMITIVES}
    for name in names:
        if name not in known:
            print(f"uncaught exception: Constant {name} not found in environment.", file=sys.stderr)
            return 1
    sys.stdout.write(export(constants, names))
    return 0


def export(constants: dict, names: list[str]) -> str:
    lines = [{"meta": {"exporter": {"name": "fake", "version": "3.1.0"}, "format": {"version": "3.1.0"}}}]
    lines[0]["meta"]["lean"] = {"githash": "0", "version": version()}
    table: dict[str, int] = {}
    exprs: dict[str, int] = {}
    done = set()

    def name_of(name: str) -> int:
        if name not in table:
            table[name] = len(table) + 1
            lines.append({"in": table[name], "str": {"pre": 0, "str": name}})
        return table[name]

    def const(name: str) -> int:
        if name not in exprs:
            number = name_of(name)
            exprs[name] = len(exprs) + 1
            lines.append({"const": {"name": number, "us": []}, "ie": exprs[name]})
        return exprs[name]

    def declare(kind: str, name: str, type_: int, value: int | None = None) -> None:
        row = {"name": name_of(name), "levelParams": [], "type": type_}
        if value is not None:
            row |= {"value": value, "all": [name_of(name)]}
        if kind == "def":
            row |= {"safety": "safe", "hints": "abbrev"}
        if kind == "axiom":
            row["isUnsafe"] = False
        lines.append({kind: row})

    def inductive(name: str) -> None:
        if name not in done:
            done.add(name)
            sizes = {"numParams": 0, "numIndices": 0, "numNested": 0}
            flags = {"isRec": False, "isUnsafe": False, "isReflexive": False}
            row = {"name": name_of(name), "levelParams": [], "type": 0, "all": [name_of(name)], "ctors": []}
            lines.append({"inductive": {"types": [row | sizes | flags], "ctors": [], "recs": []}})

    lines.append({"ie": 0, "sort": 0})
    exprs[""] = 0

    def dump(name: str) -> None:
        if name in done:
            return
        done.add(name)
        if name in constants:
            constant = constants[name]
            for word in re.findall(r"\w+", constant["type"]):
                if word in constants:
                    dump(word)
            inductive("type " + constant["type"])
            uses = axioms_of(constant)
            for axiom in uses:
                dump(axiom)
            if not uses:
                inductive("unchecked" if constant["proof"] == "unchecked" else "value " + constant["proof"])
            head = const("type " + constant["type"])
            for word in re.findall(r"\w+", constant["type"]):
                if word in constants:
                    lines.append({"app": {"fn": head, "arg": const(word)}, "ie": len(exprs) + 1})
                    exprs["#" + str(len(exprs))] = head = len(exprs) + 1
            value = (
                uses[0] if uses else "unchecked" if constant["proof"] == "unchecked" else "value " + constant["proof"]
            )
            declare({"structure": "def"}.get(constant["kind"], constant["kind"]), name, head, const(value))
        elif name in PRIMITIVES:
            inductive("value of " + name)
            declare("def", name, 0, const("value of " + name))
        else:
            inductive("type of " + name)
            declare("axiom", name, const("type of " + name))

    for name in names:
        dump(name)
    return "".join(json.dumps(line) + "\n" for line in lines)


# Judges


def lake(argv: list[str]) -> int:
    prefix = os.path.dirname(sys.path[0])
    if argv == ["env"]:
        print(f"LEAN_SYSROOT={prefix}\nLEAN_PATH=./.lake/packages/mathlib/.lake/build/lib/lean:./.lake/build/lib/lean")
        print("PATH=/usr/bin")
        return 0
    if argv[:1] == ["help"]:
        old = tuple(map(int, version().split("-")[0].split("."))) < (4, 35, 0)
        words = "" if old else "--config <file> --challenge-from-export <file> --solution-from-export <file> --paranoid"
        print(
            "Lake version 5.0.0\n\nUSAGE:\n  lake [OPTIONS] <COMMAND>" if old else f"lake comparator [OPTIONS]\n{words}"
        )
        return 0
    assert argv[0] == "comparator", argv
    for program in ("which", "git", "env"):
        if not any(os.access(os.path.join(p, program), os.X_OK) for p in os.environ["PATH"].split(":")):
            print(f"error: `lake comparator` needs `{program}` on PATH to build inside the sandbox", file=sys.stderr)
            return 2
    options = dict(zip(argv[1::2], argv[2::2], strict=False))
    assert argv[-1] == "--inadvisably-no-sandbox"
    with open(options["--config"]) as file:
        config = json.load(file)
    assert config["permitted_axioms"] == list(STANDARD)
    theorem = config["theorem_names"][0]
    challenge = parse(options["--challenge-from-export"])
    solution = parse(options["--solution-from-export"])
    error = ""
    if theorem not in solution:
        error = f"Const not found in solution: '{theorem}'"
    elif solution[theorem]["kind"] != "thm":
        error = f"Challenge and solution constant kind don't match: '{theorem}'"
    elif solution[theorem]["type"] != challenge[theorem]["type"]:
        error = f"Challenge and solution theorem statement do not match: '{theorem}'"
    else:
        for name in challenge[theorem]["uses"]:
            if name in challenge and challenge[name] != solution.get(name):
                error = f"Const does not match between challenge and target '{name}'"
        axiom = solution[theorem]["value"]
        if solution.get(axiom, {}).get("kind") == "axiom" and axiom not in STANDARD:
            error = f"Illegal axiom detected: '{axiom}'"
    if error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("Running Lean default kernel on solution")
    if solution[theorem]["value"] == "unchecked":
        print("Lean default kernel rejects the solution: (kernel) declaration type mismatch")
        print("Lean default kernel rejected the solution")
        print("error: Lean default exited with 1", file=sys.stderr)
        return 1
    print("Lean default kernel accepts the solution")
    print("Your solution is okay!")
    return 0


def parse(path: str) -> dict:
    names, exprs, uses, found = {0: ""}, {}, {}, {}
    with open(path) as file:
        for line in map(json.loads, file):
            if "in" in line:
                names[line["in"]] = line["str"]["str"]
            elif "ie" in line:
                if "const" in line:
                    exprs[line["ie"]] = names[line["const"]["name"]]
                    uses[line["ie"]] = [exprs[line["ie"]]]
                elif "app" in line:
                    fn, arg = line["app"]["fn"], line["app"]["arg"]
                    exprs[line["ie"]] = f"({exprs[fn]} {exprs[arg]})"
                    uses[line["ie"]] = uses[fn] + uses[arg]
                else:
                    exprs[line["ie"]], uses[line["ie"]] = "Prop", []
            for kind in ("thm", "def", "axiom"):
                if kind in line:
                    row = line[kind]
                    value = exprs[row["value"]] if "value" in row else ""
                    found[names[row["name"]]] = {
                        "kind": kind,
                        "type": exprs[row["type"]],
                        "uses": uses[row["type"]],
                        "value": value,
                    }
    return found


def leanchecker(argv: list[str]) -> int:
    verbose, module = argv
    assert verbose == "-v"
    path = find_module(module)
    if path is None:
        print(f"uncaught exception: Could not find any oleans for: {module}", file=sys.stderr)
        return 1
    constants = load(path)
    print(f"replaying {module}")
    for name, constant in constants.items():
        if constant["proof"] == "unchecked":
            print(f"leanchecker found a problem in {module}", file=sys.stderr)
            words = f"while replaying declaration '{name}':\n(kernel) declaration type mismatch, '{name}' has type"
            print(f"uncaught exception: {words}\n  True\nbut it is expected to have type\n  False", file=sys.stderr)
            return 1
    return 0


def safe_verify(argv: list[str]) -> int:
    reference, candidate = load(argv[0]), load(argv[1])
    number = tuple(map(int, version().split("-")[0].split(".")))
    if number < (4, 22, 0):
        return safe_verify_4_9(argv, reference, candidate)
    # Releases up to 4.27.0 write what is no problem to standard output.
    plain = sys.stdout if number < (4, 28, 0) else sys.stderr
    say = lambda text: print(text, file=sys.stderr)  # noqa: E731
    print(f"Currently running on Lean v{version()}", file=plain)
    failed = False
    for name, constant in candidate.items():
        if constant["proof"] == "unchecked":
            say(f"uncaught exception: kernel verification failed for '{name}': proof term rejected by kernel")
            return 1
        if foreign := [a for a in axioms_of(constant) if a not in STANDARD]:
            say(f"{name} used disallowed axioms. #[{', '.join(foreign)}]")
            failed = True
    for name, constant in reference.items():
        problem = ""
        if name not in candidate:
            problem = "declaration not found in submission"
        elif candidate[name]["kind"] != constant["kind"]:
            problem = f"kind mismatch (expected theorem, got {candidate[name]['kind']})"
        elif candidate[name]["type"] != constant["type"]:
            problem = "theorem type mismatch"
        elif constant["kind"] == "def" and candidate[name]["proof"] != constant["proof"]:
            problem = "definition type or value mismatch"
        if problem:
            say(f"Found a problem in {argv[1]} with declaration {name}: {problem}")
            failed = True
    if failed and number >= (4, 26, 0):
        say("uncaught exception: SafeVerify check failed. For more diagnostic information about failures, run …")
        return 1
    print("SafeVerify check passed." if plain is sys.stderr else "Finished.", file=plain)
    return 0


def safe_verify_4_9(argv: list[str], reference: dict, candidate: dict) -> int:
    """As on the branches for Lean 4.9 to 4.21: it looks at theorems and definitions, and at no inductive types."""
    for path, constants in zip(argv, (reference, candidate), strict=True):
        print(f"------------------\nReplaying {path}\nFinished imports")
        for name, constant in constants.items():
            if constant["proof"] == "unchecked":
                print(f"found a problem in {path}", file=sys.stderr)
                print(f"uncaught exception: (kernel) declaration type mismatch, '{name}' has type", file=sys.stderr)
                return 1
        print("Finished replay")
        for name, constant in constants.items():
            if constant["kind"] != "structure":
                print(f"---\n{constant['kind']}\n{name}\n{constant['type']}\n{axioms_of(constant)}")
    error = ""
    for name, constant in reference.items():
        found = candidate.get(name)
        if constant["kind"] == "structure":
            continue
        if found is None:
            error = f"{name} not found in submission"
        elif found["kind"] != constant["kind"]:
            error = f"{found['kind']} {name} is not the same kind as the requirement {constant['kind']} {name}"
        elif found["type"] != constant["type"]:
            error = f"theorem {name} does not have the same type as the requirement"
        elif constant["kind"] == "def" and found["proof"] != constant["proof"]:
            error = f"definition {name} does not match the requirement"
        elif foreign := [axiom for axiom in axioms_of(found) if axiom not in STANDARD]:
            error = f"{foreign[0]} is not in the allowed set of standard axioms"
        if error:
            print(f"found a problem in {argv[1]}\nuncaught exception: {error}", file=sys.stderr)
            return 1
    print("Finished with no errors.")
    return 0


# The REPL


def repl(_: list[str]) -> int:
    texts: list[str] = []
    while True:
        lines = []
        while (line := sys.stdin.readline()).strip():
            lines.append(line)
        if not lines:
            return 0
        query = json.loads("".join(lines))
        before = texts[query["env"]] if "env" in query else ""
        _, messages = elaborate(query["cmd"], heartbeats(before))
        if found := re.match(r"#check \((\d+) : Nat\)", query["cmd"]):
            messages = [message("info", 1, 0, f"{found.group(1)} : Nat")]
        texts.append(before + query["cmd"])
        answer: dict = {"env": len(texts) - 1}
        if messages:
            answer["messages"] = [{k: row[k] for k in ("severity", "pos", "endPos", "data")} for row in messages]
        if sorries := sum("sorry" in row["data"] for row in messages):
            place = {"pos": {"line": 1, "column": 0}, "endPos": {"line": 1, "column": 5}}
            answer["sorries"] = [{"proofState": 0, "goal": "⊢ 1 = 1", **place}] * sorries
        print(json.dumps(answer, indent=1) + "\n", flush=True)


if __name__ == "__main__":
    sys.exit(main(os.path.basename(sys.argv[0]), sys.argv[1:]))
