"""A traced repository's theorems as Lean problems, with what comes before them in their file and what their proofs use.

Promises: the statement is the file's own text from the command that holds the theorem to its proof; the header is the
file's text before that command, so sections, namespaces, opens, variables and earlier declarations are as the author
had them; modifiers and attributes of the theorem itself are left out. Nothing is left out silently: `Skipped` says what
and why. Does not: check that the header elaborates (`proofmill verify` and `solve` do, with `lean.project` set to the
repository where it imports more than the core library); carry the human proof into the problem.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Any

from jobs.lean.dojo.extra import import_lean_dojo
from verifiers.lean.assembly import MAX_HEADER_CHARS
from verifiers.types import Json, Kind, Problem

MAX_CONTEXT_CHARS = 6000
"""Number of characters of the file before the theorem that the prompt shows; they are the ones closest to it."""
MAX_PREMISES = 200


@dataclasses.dataclass(slots=True)
class Skipped:
    """Theorems that became no problem, by reason."""

    counts: Counter[str] = dataclasses.field(default_factory=Counter)


def trace(url: str, commit: str, with_dependencies: bool = False) -> Any:
    """lean-dojo's TracedRepo of a local path or URL at a commit: from its cache, else by building the repository (needs
    git, and elan with lake). Raises ConfigError without the extra, and whatever lean-dojo raises.
    """
    dojo = import_lean_dojo()
    return dojo.trace(dojo.LeanGitRepo(url, commit), build_deps=with_dependencies)


def read_problems(traced: Any, skipped: Skipped) -> Iterator[Problem]:
    """The repository's own theorems (not its dependencies'), in the order of files and lines."""
    theorems = [theorem for theorem in traced.get_traced_theorems() if theorem.repo == traced.repo]
    theorems.sort(key=lambda t: (str(t.file_path), t.start.line_nb, t.start.column_nb))
    seen: set[str] = set()
    for theorem in theorems:
        problem = _problem(theorem)
        if isinstance(problem, str):
            skipped.counts[problem] += 1
        elif problem.id in seen:
            skipped.counts["a second theorem of the same name in the file"] += 1
        else:
            seen.add(problem.id)
            yield problem


def _problem(theorem: Any) -> Problem | str:
    full_name, declared = theorem.theorem.full_name, theorem.ast.name
    if not (isinstance(full_name, str) and isinstance(declared, str)):
        return "no single name"
    if theorem.is_private:
        return "private"
    file = theorem.traced_file.lean_file
    proof_start, _ = theorem.locate_proof()
    command = _command(theorem)
    declaration = _declaration(theorem)
    keyword = _keyword(theorem)
    if command is None or declaration is None or keyword is None or proof_start is None:
        return "not found in its file"
    before = file[command.start : declaration.start]
    if before.split()[:1] == ["mutual"]:
        return "in a mutual block"
    statement = (before + file[keyword.start : proof_start]).rstrip()
    if statement.endswith("where"):
        return "defined by a structure instance"
    statement = statement.removesuffix(":=").rstrip()
    header = file[file.start_pos : command.start].rstrip()
    if max(len(header), len(statement)) > MAX_HEADER_CHARS:
        return f"more than {MAX_HEADER_CHARS} characters before it"
    repository = theorem.repo
    return Problem(
        id=f"{repository.name}@{repository.commit[:12]}:{theorem.file_path}:{full_name}",
        kind=Kind.LEAN,
        prompt=_prompt(header, statement),
        reference={"header": header, "name": declared, "statement": statement},
        domain="lean",
        source=f"{repository.url}@{repository.commit}",
        meta={
            "repository": {
                "url": repository.url,
                "commit": repository.commit,
                "lean_version": repository.lean_version,
                "file": str(theorem.file_path),
                "theorem": full_name,
                "line": theorem.start.line_nb,
            },
            "premises": _premises(theorem),
        },
    )


def _command(theorem: Any) -> Any:
    """The file's command that holds the theorem: itself, or `open … in` and `set_option … in` around it."""
    for node in theorem.traced_file.ast.children:
        if node.start is not None and node.start <= theorem.start and theorem.end <= node.end:
            return node
    return None


def _declaration(theorem: Any) -> Any:
    """The declaration with its modifiers, of which the theorem's node is a part."""
    found: list[Any] = []

    def look(node: Any, parents: list[Any]) -> bool:
        if node is theorem.ast:
            outer = parents[-1] if parents and type(parents[-1]).__name__ == "CommandDeclarationNode" else node
            found.append(outer)
        return bool(found)

    theorem.traced_file.ast.traverse_preorder(look, node_cls=None)
    return found[0] if found else None


def _keyword(theorem: Any) -> Any:
    """The word `theorem` or `lemma` itself, after attributes and documentation."""
    found: list[Any] = []

    def look(node: Any, _parents: list[Any]) -> bool:
        if getattr(node, "val", None) in ("theorem", "lemma"):
            found.append(node)
        return bool(found)

    theorem.ast.traverse_preorder(look, node_cls=None)
    return found[0] if found else None


def _premises(theorem: Any) -> list[Json]:
    """Constants that the human proof names: [{name, file, line}], each once, in order of appearance."""
    found: dict[str, Json] = {}

    def look(node: Any, _parents: list[Any]) -> bool:
        name = getattr(node, "full_name", None)
        if isinstance(name, str) and getattr(node, "raw_val", None) is not None and len(found) < MAX_PREMISES:
            line = node.def_start.line_nb if node.def_start else None
            found.setdefault(name, {"name": name, "file": node.def_path and str(node.def_path), "line": line})
        return False

    theorem.get_proof_node().traverse_preorder(look, node_cls=None)
    return list(found.values())


def _prompt(header: str, statement: str) -> str:
    context = header[-MAX_CONTEXT_CHARS:]
    if len(header) > MAX_CONTEXT_CHARS:
        context = "…" + context[context.find("\n") :]
    shown = f"Context:\n```lean\n{context}\n```\n" if context else ""
    return f"{shown}Prove this theorem in Lean 4.\n```lean\n{statement} := by\n```"
