"""From a model's text to Lean source: which part is the proof, and how it is joined with the problem's statement.

Rules, in order:
1. Only the answer is read, never the thought (verifiers.thoughts); of a text that was cut off only a finished block.
   Special tokens at the end, an answer's tags and a byte order mark at the beginning are left out.
2. Of fenced blocks, the last one that declares the theorem counts, else the last one. Where that block fails alone,
   it is tried behind the blocks before it, which may hold its lemmas. A text that only closes a fence is what stands
   before it. Without a fence the whole text counts. What declares the theorem is also tried without prose around it.
3. `import` lines at the top that neither the problem nor Lean itself has are dropped, and the text is tried without
   them: the audit compares what was proved with the problem's own statement. Namespaces that the text opens are
   then made to exist, and `lemma` is read as `theorem`. A `#eval` or its like behind the theorem is left out.
4. Text that declares the theorem by name is a file: it continues after the problem's header, or, where it repeats
   the header or fails after it, stands alone on the imports. Either way the audit compares what the theorem states.
5. Otherwise, text that starts with a declaration or another command is a file without the theorem: malformed; `open …
   in` and `set_option … in` are judged by what follows.
6. Otherwise it is the proof alone: `:= …`, `by …`, `| pattern => …` alternatives, or a bare tactic block or term (both
   are tried, tactics first unless it looks like a term; a block whose first line lost its indentation also with it).

Promises: pure; lines of a source map back to lines of the text (`Source.line_in_text`). Does not: know Lean's grammar
beyond comments, strings and the words that start a command; Lean itself judges the result.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator

from verifiers import thoughts
from verifiers.lean.reading import (
    COMMAND,
    LEAN_FENCES,
    MIN_FENCE,
    Block,
    Edit,
    blank,
    blocks,
    edited,
    lemma_edits,
    namespace_edits,
    only,
    query_edits,
    without_end_marks,
    without_prose,
)
from verifiers.types import Json


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    """A Lean problem's reference, split for use."""

    imports: tuple[str, ...]
    header: str
    """The problem's header, without its imports."""
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
    foreign: str = ""
    """A module that the text imports and the problem does not; the text is read without it."""

    def line_in_text(self, line: int) -> int:
        return max(line - self.added_lines, 1) + self.first_line - 1


@dataclasses.dataclass(frozen=True, slots=True)
class Unreadable:
    """No reading fits (`malformed`), or the text may not be read on (`refused`)."""

    reason: str
    refused: bool = False


MAX_HEADER_CHARS = 100_000
MAX_HEARTBEATS_IN_TEXT = 1_000_000
"""What `set_option maxHeartbeats` in a text counts up to, where the problem's own budget is smaller. Proofs for Mathlib
often ask for 400,000; the wall clock ends what asks for more."""
MAX_BLOCKS = 32
"""Blocks of one text that are looked at: the last ones."""
MAX_READINGS = 6
"""Readings of one text that are tried; each costs an elaboration."""
_IMPORT = re.compile(r"[ \t]*(?:public[ \t]+)?(?:meta[ \t]+)?import[ \t]+(?:all[ \t]+)?([^\s]+)[ \t]*")
_GAP = re.compile(r"\s*")
_UNSUPPORTED = re.compile(r"(?:prelude|module)\b")
_SCOPED = re.compile(
    r"(?:(?:open|set_option)(?![\w'.])[^\n]*?(?<![\w'.])in(?![\w'.])\s*)+"
)  # also starts a tactic or term
_MODIFIERS = r"(?:theorem|lemma|def|abbrev|instance|opaque|axiom|structure|inductive|class|constant)"
_TERM_START = re.compile(r"(?:fun\b|λ|⟨|@|\(|\.|nofun\b|[A-Za-z_][\w']*\.[\w'.]+|congrArg\b|absurd\b|trivial$)")
_HEARTBEATS = re.compile(r"(set_option\s+(?:synthInstance\.)?maxHeartbeats\s+)(\d[\d_]*)")
_IMPLICIT_IMPORTS = frozenset({"Init", "Prelude"})
_MARKED = re.compile(r"""--|/-|(?<![\w.])r#*"|"|'(?:\\.|[^\\'\n])'""")
"""Where a comment, a raw string, a string or a character begins."""
_COMMENT_MARKS = re.compile(r"/-|-/")
_STRING_END = re.compile(r'(?:[^"\\]|\\.)*', re.S)
_SOLVER = re.compile(r"(?<![\w.])bv_(?:decide|check)[?!]?(?![\w'.])")
_MATHLIB_WORDS = re.compile(
    r"(?<![\w.])(?:linarith|nlinarith|polyrith|positivity|norm_num|norm_cast|push_cast|push_neg|field_simp|ring|ring_nf|ring1|aesop|"
    r"interval_cases|fin_cases|nth_rewrite|gcongr|bound|continuity|measurability|linear_combination|zify|qify|abel|group|"
    r"noncomm_ring|tauto|contrapose|by_contra!|rcongr|choose|use|lift|slim_check|decide!|Finset\.\w+|Real\.\w+|Complex\.\w+)"
    r"(?![\w'])|[ℝℚℂℤℕ∑∏]"
)
"""Words and signs that only Mathlib has."""


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
    found = _imports(masked)
    if isinstance(found, Unreadable):
        return (), found
    return found[0], edited(text, masked, found[1])[0]


def _imports(masked: str) -> tuple[tuple[str, ...], list[Edit]] | Unreadable:
    """The modules imported at the top, and what blanks these lines."""
    imports: list[str] = []
    edits: list[Edit] = []
    offset = 0
    while True:
        gap = _GAP.match(masked, offset)
        offset = gap.end() if gap else offset
        if _UNSUPPORTED.match(masked, offset):
            return Unreadable("`prelude` and `module` are not supported", refused=True)
        found = _IMPORT.match(masked, offset)
        if not found:
            return tuple(imports), edits
        imports.append(found.group(1))
        edits.append((found.start(), found.end(), " " * len(found[0])))
        offset = found.end()


def mask(text: str) -> str:
    """The text with comments and the insides of strings blanked, of the same length. Linear."""
    return _mask(text)[0]


@functools.lru_cache(maxsize=4)
def _mask(text: str) -> tuple[str, frozenset[int]]:
    """The masked text, and where its comments begin."""
    out: list[str] = []
    comments: list[int] = []
    at = 0
    while found := _MARKED.search(text, at):
        begin, end, behind = _inside(text, found)
        out += [text[at:begin], blank(text[begin:end]), text[end:behind]]
        if found[0] in ("--", "/-"):
            comments.append(begin)
        at = behind
    return "".join([*out, text[at:]]), frozenset(comments)


def _inside(text: str, found: re.Match[str]) -> tuple[int, int, int]:
    """What is blanked of the comment, string or character that begins at `found`, from where to where, and its end."""
    start, size = found.start(), len(text)
    if found[0] == "--":
        end = text.find("\n", start)
        end = size if end < 0 else end
        return start, end, end
    if found[0] == "/-":
        depth = 1
        for mark in _COMMENT_MARKS.finditer(text, found.end()):
            depth += 1 if mark[0] == "/-" else -1
            if not depth:
                return start, mark.end(), mark.end()
        return start, size, size
    if found[0].startswith("r"):
        closing = '"' + "#" * (len(found[0]) - 2)
        end = text.find(closing, found.end())
        end = size if end < 0 else end + len(closing)
        return start, end, end
    if found[0] == '"':
        string = _STRING_END.match(text, found.end())
        end = min(string.end(), size) if string else size
        return start + 1, end, min(end + 1, size)
    return start + 1, found.end() - 1, found.end()


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
    found = _readings(reference, text, parts)
    if not found:
        return Unreadable(parts.cut_off("inside the proof"))
    sources: list[Source] = []
    faults: list[Unreadable] = []
    for block, line in found:
        read = _read_code(reference, block, line, max_heartbeats)
        if isinstance(read, Unreadable):
            faults.append(read)
        else:
            sources += read
    refused = next((fault for fault in faults if fault.refused), None)
    if refused is not None or not sources:
        return refused or faults[0]
    unique = {(source.header, source.code): source for source in reversed(sources)}
    return [source for source in sources if unique.pop((source.header, source.code), None) is not None][:MAX_READINGS]


def with_capped_heartbeats(code: str, max_heartbeats: int) -> str:
    """`code` whose `set_option maxHeartbeats` ask for no more than the cap, which is MAX_HEARTBEATS_IN_TEXT or a larger
    budget of the problem's own. What asks for no bound gets the cap, too: the wall clock ends it anyway."""
    masked = mask(code)
    return edited(code, masked, _budget_edits(masked, max_heartbeats))[0]


def _budget_edits(masked: str, max_heartbeats: int) -> Iterator[Edit]:
    largest = max(max_heartbeats, MAX_HEARTBEATS_IN_TEXT)
    for found in _HEARTBEATS.finditer(masked):
        yield found.start(2), found.end(2), _clamped(found[2], largest)


def needs_solver(source: Source) -> bool:
    """Whether the candidate asks for the SAT solver behind `bv_decide`, which is a program beside Lean."""
    return _SOLVER.search(mask(source.code)) is not None


def mathlib_word(source: Source) -> str:
    """A word of the candidate that only Mathlib has; empty where there is none."""
    found = _MATHLIB_WORDS.search(mask(source.code))
    return found[0] if found else ""


def _read_code(reference: Reference, block: str, line: int, max_heartbeats: int) -> list[Source] | Unreadable:
    """The readings of one piece of Lean, which begins at `line` of the text."""
    if not block.strip():
        return Unreadable("the text is empty")
    masked, comments = _mask(block)
    found = _imports(masked)
    if isinstance(found, Unreadable):
        return found
    imports, edits = found
    foreign = [m for m in imports if m not in reference.imports and m not in _IMPLICIT_IMPORTS]
    has_mathlib = any(m.split(".")[0] == "Mathlib" for m in reference.imports)
    is_blank = not masked.strip()
    code, masked = edited(block, masked, edits)
    if (declared := _declaration(reference.name, masked)) is not None:
        code, masked = edited(code, masked, query_edits(code, masked, comments, declared))
    if not has_mathlib:
        code, masked = edited(code, masked, lemma_edits(masked))
        if foreign:
            code, masked = edited(code, masked, namespace_edits(masked))
    code, masked = edited(code, masked, _budget_edits(masked, max_heartbeats))
    if _declares(reference.name, masked):
        return [dataclasses.replace(source, foreign="".join(foreign[:1])) for source in _files(reference, code, line)]
    body_at = len(masked) - len(masked.lstrip())
    if not masked.strip():
        return Unreadable("there is nothing but comments" if is_blank else "theorem not found")
    scoped = _SCOPED.match(masked, body_at)
    if COMMAND.match(masked, scoped.end() if scoped else body_at):
        return Unreadable("theorem not found")
    first_line = line + code.count("\n", 0, body_at)
    return _proofs(reference, code[code.rfind("\n", 0, body_at) + 1 :], masked[body_at:], first_line)


def _readings(reference: Reference, text: str, parts: thoughts.Split) -> list[tuple[str, int]]:
    """Pieces of the answer that may be the Lean, best first, each with its first line; none where it was cut off."""
    start = parts.answer_start
    answer = without_end_marks(text[start : start + len(parts.answer)])
    if answer.startswith("\ufeff"):
        answer = " " + answer[1:]
    fenced = list(blocks(answer, 0, len(answer)))
    lean = [block for block in fenced if block.language in LEAN_FENCES][-MAX_BLOCKS:]
    first_line = text.count("\n", 0, start) + 1

    def piece(block: Block) -> tuple[str, int]:
        code = answer[block.start : block.end].removeprefix("\ufeff")
        return code, first_line + answer.count("\n", 0, block.start)

    implicit = _before_a_closing_fence(answer, fenced)
    if implicit is not None and (_states(reference, implicit) or not answer[fenced[0].start :].strip()):
        return _with_trimmed(reference, [(implicit, first_line)])
    if parts.cut and not (lean and lean[-1].closed):
        return []
    if not fenced:
        answer = _without_closing_fence(answer)
    if not lean:
        return _with_trimmed(reference, [(answer, first_line)])
    stating = [block for block in lean if _states(reference, answer[block.start : block.end])]
    chosen = (stating or lean)[-1]
    # Another block that states the theorem is a draft of it, not a lemma for it.
    before = [block for block in lean if block.end <= chosen.start and block not in stating]
    found = [piece(chosen)]
    if stating and before:
        found.append((only(_without_imports(answer, [*before, chosen]), [*before, chosen]), first_line))
    return _with_trimmed(reference, found)


def _with_trimmed(reference: Reference, found: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The pieces, and behind them those that declare the theorem without the prose around it."""
    masked = [(code, line, mask(code)) for code, line in found]
    trimmed = [(without_prose(code, m), line) for code, line, m in masked if _declares(reference.name, m)]
    return [*found, *((code, line) for code, line in trimmed if code is not None)]


def _states(reference: Reference, code: str) -> bool:
    return _declares(reference.name, mask(code))


def _before_a_closing_fence(answer: str, fenced: list[Block]) -> str | None:
    """What stands before the first fence of a text that never opened one: the prompt ended with an open block."""
    if len(fenced) != 1 or fenced[0].closed or fenced[0].language:
        return None
    before = answer[: answer.rfind("\n", 0, max(0, fenced[0].start - 1)) + 1]
    return before if before.strip() else None


def _without_closing_fence(answer: str) -> str:
    """The text without a fence behind its last word, which closes a block that the prompt opened."""
    stripped = answer.rstrip()
    bare = stripped.rstrip("`")
    return bare if len(stripped) - len(bare) >= MIN_FENCE else answer


def _without_imports(answer: str, kept: list[Block]) -> str:
    """The answer with the imports at the top of each block blanked: only the first lines of a file may import."""
    pieces, at = [], 0
    for block in kept:
        _, code = split_imports(answer[block.start : block.end].replace("\ufeff", " ", 1))
        pieces += [answer[at : block.start], code if isinstance(code, str) else answer[block.start : block.end]]
        at = block.end
    return "".join([*pieces, answer[at:]])


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _clamped(number: str, largest: int) -> str:
    value = int(number.replace("_", "")[:12] or "0")
    return number if 0 < value <= largest else str(largest)


def _declares(name: str, masked: str) -> bool:
    return _declaration(name, masked) is not None


def _declaration(name: str, masked: str) -> int | None:
    """Where the first declaration of that name begins."""
    short = re.escape(name.split(".")[-1])
    found = re.search(rf"\b{_MODIFIERS}\s+(?:[\w.«»]+\.)?«?{short}»?(?![\w'!?₀-₉]|\.(?!\{{))", masked)
    return found.start() if found else None


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
    mended = _first_line_as_the_rest(block)
    more = [source("tactics", " := by\n", mended, indent=2)] if mended is not None else []
    return [term, tactics, *more] if _TERM_START.match(masked.strip()) else [tactics, *more, term]


def _first_line_as_the_rest(block: str) -> str | None:
    """A tactic block whose first line stands left of all others, with the first line moved to them; else None.

    A completion goes on where its prompt ended, so the indentation of its first line may be the prompt's.
    """
    first, _, rest = block.partition("\n")
    indents = [len(row) - len(row.lstrip()) for row in rest.split("\n") if row.strip()]
    missing = min(indents, default=0) - (len(first) - len(first.lstrip()))
    return " " * missing + block if missing > 0 and first.strip() else None
