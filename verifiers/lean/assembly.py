"""From a model's text to Lean source: which part is the proof, and how it is joined with the problem's statement.

Rules, in order:
1. Only the answer is read, never the thought (verifiers.thoughts); of a text that was cut off only a finished block.
   Of fenced blocks, the last one that declares the theorem counts, else
   the last one; without a fence the whole text counts.
2. `import` lines at the top are dropped if the problem (or Lean itself) imports those modules, otherwise the text is
   refused: a different library may change what the statement means.
3. Text that declares the theorem by name is a file: it continues after the problem's header, or, where it repeats
   the header or fails after it, stands alone on the imports. Either way the audit compares what the theorem states.
4. Otherwise, text that starts with a declaration or another command is a file without the theorem: malformed; `open …
   in` and `set_option … in` are judged by what follows.
5. Otherwise it is the proof alone: `:= …`, `by …`, `| pattern => …` alternatives, or a bare tactic block or term (both
   are tried, tactics first unless it looks like a term).

Promises: pure; lines of a source map back to lines of the text (`Source.line_in_text`). Does not: know Lean's grammar
beyond comments, strings and the words that start a command; Lean itself judges the result.
"""

from __future__ import annotations

import dataclasses
import re

from verifiers import thoughts
from verifiers.types import Json


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    """A Lean problem's reference, split for use."""

    imports: tuple[str, ...]
    header: str
    """Without its imports."""
    statement: str
    """Up to but not including `:=`."""
    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """One reading of the text."""

    form: str
    """`file`, `standalone file`, `definition`, `by`, `alternatives`, `tactics` or `term`."""
    header: str
    """Elaborated first, from the problem; empty for a file that stands alone."""
    code: str
    first_line: int
    """Line of the text (from 1) that holds the candidate's first line."""
    added_lines: int = 0
    """Lines of `code` that precede the candidate's first one."""
    indent: int = 0

    def line_in_text(self, line: int) -> int:
        return max(line - self.added_lines, 1) + self.first_line - 1


@dataclasses.dataclass(frozen=True, slots=True)
class Unreadable:
    """No reading fits (`malformed`), or the text may not be read on (`refused`)."""

    reason: str
    refused: bool = False


MAX_HEADER_CHARS = 100_000
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.M | re.S)
_CLOSED = re.compile(r"\n[ \t]*(?:`{3,}|~{3,})[ \t]*\Z")
_LEAN_FENCES = {"", "lean", "lean4", "lean3", "tactics", "lean4tactics"}
_IMPORT = re.compile(r"[ \t]*(?:public[ \t]+)?(?:meta[ \t]+)?import[ \t]+(?:all[ \t]+)?([^\s]+)[ \t]*")
_COMMAND = re.compile(
    r"(?:@\[[^\]]*\]\s*)*(?:private|protected|noncomputable|public|local|scoped|unsafe|partial|nonrec|theorem|lemma|def|abbrev|"
    r"instance|structure|inductive|class|example|axiom|opaque|namespace|section|end|open|variable|universe|set_option|mutual|"
    r"attribute|notation|infixl?|infixr|prefix|postfix|macro|macro_rules|syntax|elab|elab_rules|initialize|run_cmd|import|#\w+)"
    r"(?![\w'.])"
)
_SCOPED = re.compile(
    r"(?:(?:open|set_option)(?![\w'.])[^\n]*?(?<![\w'.])in(?![\w'.])\s*)+"
)  # also starts a tactic or term
_MODIFIERS = r"(?:theorem|lemma|def|abbrev|instance|opaque|axiom|structure|inductive|class|constant)"
_TERM_START = re.compile(r"(?:fun\b|λ|⟨|@|\(|\.|nofun\b|[A-Za-z_][\w']*\.[\w'.]+|congrArg\b|absurd\b|trivial$)")
_HEARTBEATS = re.compile(r"(set_option\s+(?:synthInstance\.)?maxHeartbeats\s+)(\d[\d_]*)")
_IMPLICIT_IMPORTS = frozenset({"Init", "Prelude"})


def read_reference(reference: dict[str, Json]) -> Reference | str:
    """The reference of a problem file, or what is wrong with it."""
    header, statement, name = (reference.get(k, "") for k in ("header", "statement", "name"))
    if not (isinstance(header, str) and isinstance(statement, str) and isinstance(name, str)):
        return "reference.header, .statement and .name must be strings"
    if not name.strip() or not statement.strip():
        return "reference.name and reference.statement must not be empty"
    if len(header) > MAX_HEADER_CHARS or len(statement) > MAX_HEADER_CHARS:
        return f"reference.header and .statement may have {MAX_HEADER_CHARS} characters"
    if "\0" in header + statement + name:
        return "the reference has null bytes"
    imports, rest = split_imports(_newlines(header))
    if isinstance(rest, Unreadable):
        return rest.reason
    statement = _newlines(statement).strip()
    statement = re.sub(r"\s*:=\s*(?:by\s*)?(?:sorry\s*)?$", "", statement)
    return Reference(imports=imports, header=rest.strip(), statement=statement, name=name.strip())


def split_imports(text: str) -> tuple[tuple[str, ...], str | Unreadable]:
    """The modules imported at the top, and the text with those lines blanked (so that line numbers stay)."""
    masked = mask(text)
    imports: list[str] = []
    out = list(text)
    offset = 0
    while True:
        blank = re.compile(r"\s*").match(masked, offset)
        offset = blank.end() if blank else offset
        if re.compile(r"prelude\b|module\b").match(masked, offset):
            return (), Unreadable("`prelude` and `module` are not supported", refused=True)
        found = _IMPORT.match(masked, offset)
        if not found:
            return tuple(imports), "".join(out)
        imports.append(found.group(1))
        for i in range(found.start(), found.end()):
            out[i] = " "
        offset = found.end()


def mask(text: str) -> str:
    """The text with comments and the insides of strings blanked, of the same length."""
    out = list(text)
    i, n = 0, len(text)

    def blank(begin: int, end: int) -> None:
        for j in range(begin, end):
            if out[j] != "\n":
                out[j] = " "

    while i < n:
        two = text[i : i + 2]
        if two == "--":
            end = text.find("\n", i)
            end = n if end < 0 else end
            blank(i, end)
            i = end
        elif two == "/-":
            depth, j = 1, i + 2
            while j < n and depth:
                if text.startswith("/-", j):
                    depth, j = depth + 1, j + 2
                elif text.startswith("-/", j):
                    depth, j = depth - 1, j + 2
                else:
                    j += 1
            blank(i, j)
            i = j
        elif raw := re.compile(r'(?<![\w.])r(#*)"').match(text, i):
            end = text.find('"' + raw.group(1), raw.end())
            end = n if end < 0 else end + 1 + len(raw.group(1))
            blank(i, end)
            i = end
        elif text[i] == '"':
            j = i + 1
            while j < n and text[j] != '"':
                j += 2 if text[j] == "\\" else 1
            blank(i + 1, min(j, n))
            i = j + 1
        elif character := re.compile(r"'(?:\\.|[^\\'\n])'").match(text, i):
            blank(i + 1, character.end() - 1)
            i = character.end()
        else:
            i += 1
    return "".join(out)


def assemble(
    reference: Reference, text: str, max_heartbeats: int, finish_reason: str | None = None
) -> list[Source] | Unreadable:
    """The readings of `text` to try, in order."""
    if "\0" in text:
        return Unreadable("null byte in the text")
    try:
        text.encode()
    except UnicodeEncodeError:
        return Unreadable("the text is not valid Unicode")
    text = _newlines(text)
    parts = thoughts.split(text, finish_reason)
    if reason := parts.unreadable():
        return Unreadable(reason)
    block, line = _block(reference, text, parts)
    if block is None:
        return Unreadable(parts.cut_off("inside the proof"))
    if not block.strip():
        return Unreadable("the text is empty")
    imports, code = split_imports(block)
    if isinstance(code, Unreadable):
        return code
    foreign = [m for m in imports if m not in reference.imports and m not in _IMPLICIT_IMPORTS]
    if foreign:
        return Unreadable(f"imports {foreign[0]}, which the problem does not", refused=True)
    # Ours is the only budget: what asks for more or for none gets ours.
    code = _HEARTBEATS.sub(lambda m: m.group(1) + _clamped(m.group(2), max_heartbeats), code)

    if _declares(reference.name, mask(code)):
        return _files(reference, code, line)
    masked = mask(code)
    body_at = len(masked) - len(masked.lstrip())
    if not masked.strip():
        return Unreadable("there is nothing but comments")
    scoped = _SCOPED.match(masked, body_at)
    if _COMMAND.match(masked, scoped.end() if scoped else body_at):
        return Unreadable("theorem not found")
    first_line = line + code.count("\n", 0, body_at)
    return _proofs(reference, code[code.rfind("\n", 0, body_at) + 1 :], masked[body_at:], first_line)


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _clamped(number: str, largest: int) -> str:
    value = int(number.replace("_", "")[:12] or "0")
    return number if 0 < value <= largest else str(largest)


def _declares(name: str, masked: str) -> bool:
    short = re.escape(name.split(".")[-1])
    return re.search(rf"\b{_MODIFIERS}\s+(?:[\w.«»]+\.)?«?{short}»?(?![\w'.!?₀-₉])", masked) is not None


def _block(reference: Reference, text: str, parts: thoughts.Split) -> tuple[str | None, int]:
    """The part of the answer that is Lean, None where it was cut off, and the line it starts at."""
    start = parts.answer_start
    end = start + len(parts.answer)
    found = [m for m in _FENCE.finditer(text, start, end) if m.group(2).lower() in _LEAN_FENCES]
    if parts.cut and (not found or not _CLOSED.search(found[-1].group())):
        return None, 0
    if not found:
        return text[start:end], text.count("\n", 0, start) + 1
    stating = [m for m in found if _declares(reference.name, mask(m.group(3)))]
    chosen = (stating or found)[-1]
    return chosen.group(3), text.count("\n", 0, chosen.start(3)) + 1


def _files(reference: Reference, code: str, line: int) -> list[Source]:
    header = reference.header
    rest = _after_header(header, code)
    if rest is not None:
        return [Source("file", header, rest, line), *_standalone(header, code, line)]
    return [Source("file", header, code, line), *_standalone(header, code, line)]


def _standalone(header: str, code: str, line: int) -> list[Source]:
    return [Source("standalone file", "", code, line)] if mask(header).strip() else []


def _after_header(header: str, code: str) -> str | None:
    """`code` with the header it repeats (up to white space) blanked, or None if it does not repeat it."""
    wanted = "".join(header.split())
    if not wanted:
        return None
    i = 0
    for j, character in enumerate(code):
        if character.isspace():
            continue
        if character != wanted[i]:
            return None
        i += 1
        if i == len(wanted):
            return "\n" * code.count("\n", 0, j + 1) + code[j + 1 :]
    return None


def _proofs(reference: Reference, body: str, masked: str, line: int) -> list[Source]:
    def source(form: str, joint: str, proof: str, indent: int = 0) -> Source:
        prefix = f"{reference.statement}{joint}"
        return Source(form, reference.header, prefix + proof + "\n", line, prefix.count("\n"), indent)

    if masked.startswith(":="):
        return [source("definition", "\n", body)]
    if re.match(r"by(?![\w'.])", masked):
        return [source("by", " :=\n", body)]
    if masked.startswith("|"):
        return [source("alternatives", "\n", body)]
    block = "\n".join("  " + row if row.strip() else row for row in body.split("\n"))
    tactics = source("tactics", " := by\n", block, indent=2)
    term = source("term", " :=\n", block, indent=2)
    return [term, tactics] if _TERM_START.match(masked.strip()) else [tactics, term]
