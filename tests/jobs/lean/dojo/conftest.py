"""lean-dojo's own classes over a small repository made here; its cache in a temporary folder, no network."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

LEAN = """import Init

namespace Small

def two : Nat := 2

/-- About two. -/
@[simp]
theorem first (n : Nat) : n + 0 = n := by
  exact Nat.add_zero n

open Nat in
theorem second : two = 2 := by
  unfold two
  rfl

private theorem hidden : two = 2 := by
  rfl

end Small
"""


@pytest.fixture(scope="session")
def lean_dojo(tmp_path_factory: pytest.TempPathFactory) -> Any:
    os.environ["CACHE_DIR"] = str(tmp_path_factory.mktemp("dojo_cache"))
    os.environ["DISABLE_REMOTE_CACHE"] = "1"
    return pytest.importorskip("lean_dojo", reason="the optional extra `dojo` is not installed")


@pytest.fixture
def traced(lean_dojo: Any, tmp_path: Path) -> Any:
    """A TracedRepo as `lean_dojo.trace` returns it, read by lean-dojo from files in its extractor's format."""
    from lean_syntax import Name, Writer, by, declaration, node, null, theorem

    root = tmp_path / "small"
    build = root / ".lake" / "build" / "ir"
    build.mkdir(parents=True)
    (root / "Small.lean").write_text(LEAN)
    (root / "lean-toolchain").write_text("leanprover/lean4:v4.20.0\n")
    (root / "lakefile.toml").write_text('name = "small"\n')
    git = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init", "-q"], ["add", "Small.lean", "lean-toolchain", "lakefile.toml"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *arguments], check=True)

    def signature(*words: Any) -> Any:
        return node("Lean.Parser.Command.declSig", null(*words[:-1]), words[-1])

    modifiers = node(
        "Lean.Parser.Command.declModifiers",
        null(node("Lean.Parser.Command.docComment", "/--", "About two. -/")),
        null(node("Lean.Parser.Term.attributes", "@[", "simp", "]")),
    )
    private = node(
        "Lean.Parser.Command.declModifiers",
        null(),
        null(),
        null(node("Lean.Parser.Command.private", "private")),
    )
    writer = Writer(LEAN)
    trees = writer.commands(
        node("Lean.Parser.Module.header", null(), null(node("Lean.Parser.Module.import", "import", Name("Init")))),
        node("Lean.Parser.Command.namespace", "namespace", Name("Small")),
        declaration(
            node(
                "Lean.Parser.Command.definition",
                "def",
                node("Lean.Parser.Command.declId", Name("two"), null()),
                node("Lean.Parser.Command.optDeclSig", null(), null(node("x.type", ":", Name("Nat")))),
                node("Lean.Parser.Command.declValSimple", ":=", "2", null(), null()),
                null(),
            )
        ),
        declaration(
            theorem(
                "first",
                signature("(n : Nat)", node("Lean.Parser.Term.typeSpec", ": n + 0 = n")),
                by(node("Lean.Parser.Tactic.exact", "exact", Name("Nat.add_zero"), "n")),
            ),
            modifiers,
        ),
        node(
            "Lean.Parser.Command.in",
            node("Lean.Parser.Command.open", "open", "Nat"),
            "in",
            declaration(
                theorem(
                    "second",
                    signature(node("Lean.Parser.Term.typeSpec", ": two = 2")),
                    by(
                        node("Lean.Parser.Tactic.unfold", "unfold", Name("two")),
                        node("Lean.Parser.Tactic.tacticRfl", "rfl"),
                    ),
                )
            ),
        ),
        declaration(
            theorem(
                "hidden",
                signature(node("Lean.Parser.Term.typeSpec", ": two = 2")),
                by(node("Lean.Parser.Tactic.tacticRfl", "rfl")),
            ),
            private,
        ),
        node("Lean.Parser.Command.end", "end", null(Name("Small"))),
    )
    (build / "Small.ast.json").write_text(
        json.dumps({"commandASTs": trees, "tactics": [], "premises": writer.premises})
    )
    (build / "Small.dep_paths").write_text("\n")
    repository = lean_dojo.LeanGitRepo.from_path(root)
    file = lean_dojo.TracedFile.from_traced_file(root, build / "Small.ast.json", repository)
    repo = lean_dojo.TracedRepo(repository, {}, root.resolve(), [file], None)
    repo._update_traced_files()
    return repo
