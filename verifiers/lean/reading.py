"""Where the Lean of a model's answer lies: fenced blocks, helper blocks, prose around a proof, what may be left out.

Everything here only decides what Lean is shown. The audit decides what it proved, so leaving text out, or trying
another reading of it, cannot make a wrong proof right.

The line scanner of verifiers.fences is not used for the blocks. There a fence is a line of its own with a plain word
behind it, and the same rule says what is no part of a text. Here a fence may also end a line of a proof, follow a byte
order mark or have code with backticks behind it, and a block lost for such a mark would be a right proof lost.

Promises: pure; linear in the text; a reading keeps the text's lines (what is left out is blanked, not removed), so that
an error's line is a line of the text. Does not: know Lean's grammar beyond comments, strings and the words that start
a command.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator

from verifiers import thoughts

LEAN_FENCES = frozenset({"", "lean", "lean4", "lean3", "tactics", "lean4tactics"})
_NAMED_LEAN_FENCES = LEAN_FENCES - {""}
_OTHER_FENCES = frozenset(
    {"text", "txt", "python", "py", "latex", "tex", "math", "markdown", "md", "json", "bash", "sh"}
)
"""Languages of blocks that are not Lean; such a word directly behind a fence opens a block even where one is open."""
MIN_FENCE = 3
MAX_DOC_COMMENT_CHARS = 2000
"""Longest doc comment of a query that is left out with it."""
COMMAND = re.compile(
    r"(?:@\[(?:[^\[\]]|\[[^\[\]]{0,200}\]){0,400}\]\s*)*(?:private|protected|noncomputable|public|local|scoped|unsafe|partial|nonrec|theorem|lemma|def|abbrev|"
    r"instance|structure|inductive|class|example|axiom|opaque|namespace|section|end|open|variable|universe|set_option|mutual|"
    r"attribute|notation|infixl?|infixr|prefix|postfix|macro|macro_rules|syntax|elab|elab_rules|initialize|run_cmd|import|#\w+)"
    r"(?![\w'.])"
)
_ANSWER_TAG = re.compile(r"^[ \t]*</?answer>[ \t]*$", re.M)
_TOP_LINE = re.compile(r"^(?=\S)", re.M)
_QUERY = re.compile(r"#(?:eval!?|check|check_failure|print|reduce|synth|guard_msgs|guard|help|where|version)(?![\w'])")
"""Commands that only show something. `#exit` is none: what stands behind it is not checked."""
_LEMMA = re.compile(r"(?<![\w.'])lemma(?=[ \t\n]+[^\s:])")
_OPEN = re.compile(r"^open[ \t]+(?:scoped[ \t]+)?([A-Z][\w'.]*(?:[ \t]+[A-Z][\w'.]*)*)[ \t]*$", re.M)
_CONTINUES = re.compile(
    r"(?:end|where|with|by|at|in|deriving|termination_by|decreasing_by|then|else|·|\||:=|<;>|⟨|⟩|\)|\]|\}|--|/-|-/|@\[)"
)
"""What a line at the left margin may begin with that goes on with a declaration, beside the words of COMMAND."""


Edit = tuple[int, int, str]
"""Start and end of a piece of text, and what stands there instead. Several of them are in order and do not overlap."""


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """Text between two fences, by offsets. `closed` tells whether its closing fence is there."""

    language: str
    start: int
    end: int
    closed: bool


def blocks(text: str, start: int, end: int) -> Iterator[Block]:
    """The fenced blocks in `text[start:end]`, whatever their language.

    A closing fence may have anything behind it, and may stand at the end of a line of code; an opening fence may stand
    at the end of a line of prose, and may have code behind its language. A fence with a language closes a block that
    was left open. One pass over the lines, each looked at from its two ends.
    """
    opened: tuple[str, int, str, int] | None = None  # fence character, length, language, offset of the content
    at = start
    while at < end:
        stop = text.find("\n", at, end)
        stop = end if stop < 0 else stop
        line = text[at:stop]
        fence = _leading_fence(line)
        if opened is None:
            opened, finished = _opening(line, at, fence)
            if finished is not None:
                yield finished
        elif fence is not None and fence[0] == opened[0] and fence[1] >= opened[1]:
            yield Block(opened[2], opened[3], at, True)
            word = _language(fence[2]) if fence[2][:1].isalpha() else ""
            known = word in _NAMED_LEAN_FENCES or word in _OTHER_FENCES
            opened = (fence[0], fence[1], word, min(stop + 1, end)) if known else None
        elif (ending := _trailing_fence(line)) is not None and ending[0] == opened[0] and ending[1] >= opened[1]:
            yield Block(opened[2], opened[3], at + ending[2], True)
            opened = None
        at = stop + 1
    if opened is not None:
        yield Block(opened[2], min(opened[3], end), end, False)


def _leading_fence(line: str) -> tuple[str, int, str] | None:
    """Character, length and what follows of the fence that a line begins with."""
    stripped = line.lstrip(" \t\ufeff>")
    mark = stripped[:1]
    if mark not in ("`", "~"):
        return None
    rest = stripped.lstrip(mark)
    length = len(stripped) - len(rest)
    return (mark, length, rest.strip()) if length >= MIN_FENCE else None


def _trailing_fence(line: str) -> tuple[str, int, int] | None:
    """Character, length and offset of the fence that ends a line which begins with something else."""
    stripped = line.rstrip()
    mark = stripped[-1:]
    if mark not in ("`", "~"):
        return None
    head = stripped.rstrip(mark)
    length = len(stripped) - len(head)
    return (mark, length, len(head)) if length >= MIN_FENCE else None


def _opening(
    line: str, at: int, fence: tuple[str, int, str] | None
) -> tuple[tuple[str, int, str, int] | None, Block | None]:
    """A block that the line opens, and one that it holds whole."""
    if fence is None:
        return _opening_behind_prose(line, at), None
    mark, length, rest = fence
    language = _language(rest)
    content = at + len(line) + 1
    behind = rest[len(language) :] if rest[:1] != " " else rest
    code = behind.lstrip(" \t")
    if language in LEAN_FENCES and COMMAND.match(code):
        content = at + line.rindex(code)
        if (ending := _trailing_fence(code)) is not None and ending[0] == mark and ending[1] >= length:
            return None, Block(language, content, content + ending[2], True)
    return (mark, length, language, content), None


def _opening_behind_prose(line: str, at: int) -> tuple[str, int, str, int] | None:
    """`Proof: ```lean4`, which opens a block although prose stands before it."""
    stripped = line.rstrip()
    word = stripped[max(stripped.rfind("`"), stripped.rfind("~")) + 1 :].lower()
    if word not in _NAMED_LEAN_FENCES:
        return None
    head = stripped[: len(stripped) - len(word)]
    mark = head[-1:]
    length = len(head) - len(head.rstrip(mark)) if mark in ("`", "~") else 0
    return (mark, length, word, at + len(line) + 1) if length >= MIN_FENCE else None


def _language(rest: str) -> str:
    """The word behind a fence, without what some models add: ```` ```lean4:main.lean ````."""
    match = re.match(r"[\w+-]*", rest)
    return match[0].lower() if match else ""


def without_end_marks(text: str) -> str:
    """The text without special tokens at its end and without the tags of an answer, which are no Lean."""
    text = thoughts.without_end_tokens(text, "answer")
    return _ANSWER_TAG.sub(lambda match: " " * len(match[0]), text)


def only(text: str, kept: list[Block]) -> str:
    """The text with everything outside `kept` blanked."""
    pieces, at = [], 0
    for block in kept:
        pieces += [blank(text[at : block.start]), text[block.start : block.end]]
        at = block.end
    return "".join(pieces)


def blank(text: str) -> str:
    """White space with as many lines and, in each line, as many characters."""
    return re.sub(r"[^\n]", " ", text)


def without_prose(code: str, masked: str) -> str | None:
    """`code` without the prose before its first command and behind its last one; None where there is none.

    Prose begins behind an empty line, at the left margin, with something that goes on with no declaration.
    """
    begin = next((m.start() for m in _TOP_LINE.finditer(masked) if COMMAND.match(masked, m.start())), None)
    if begin is None:
        return None
    last = [m.start() for m in _TOP_LINE.finditer(masked) if COMMAND.match(masked, m.start())][-1]
    stop = len(code)
    for gap in re.finditer(r"\n[ \t]*\n(?=\S)", masked[last:]):
        at = last + gap.end()
        if not _CONTINUES.match(masked, at) and code[at : at + 1].strip():
            stop = at
            break
    if not masked[:begin].strip():
        begin = 0  # comments are no prose
    return blank(code[:begin]) + code[begin:stop] if begin or code[stop:].strip() else None


def query_edits(code: str, masked: str, comments: frozenset[int], since: int) -> Iterator[Edit]:
    """Blanks the top-level `#eval`, `#check`, `#print`, `#guard_msgs …` behind `since`, with their doc comments.

    They prove nothing, and what follows them proves the same without them. A query ends where the next line at the left
    margin begins a command or a comment; `comments` are the places where comments begin.
    """
    if "#" not in masked:
        return
    kept_to, begin, guards = 0, -1, False
    for top in _TOP_LINE.finditer(code, since):
        at = top.start()
        query = _QUERY.match(masked, at) is not None
        if begin >= 0 and not guards and (query or COMMAND.match(masked, at) or at in comments):
            yield begin, at, blank(code[begin:at])
            kept_to, begin = at, -1
        if query:
            begin = begin if begin >= 0 else _doc_comment_before(code, at, kept_to, comments)
        # `#guard_msgs in` goes on with the command behind it.
        guards = query and code.startswith("#guard_msgs", at)
    if begin >= 0:
        yield begin, len(code), blank(code[begin:])


def _doc_comment_before(code: str, at: int, since: int, comments: frozenset[int]) -> int:
    """Where the doc comment begins that belongs to what stands at `at`, or `at` itself."""
    since = max(since, at - MAX_DOC_COMMENT_CHARS)
    before = code[since:at]
    if not before.rstrip().endswith("-/"):
        return at
    found = before.rfind("/--")
    begin = since + found
    return begin if found >= 0 and begin in comments and code.count("-/", begin, at) == 1 else at


def lemma_edits(masked: str) -> Iterator[Edit]:
    """`lemma` is a word of Mathlib; Lean's own library has `theorem`, which means the same."""
    return ((match.start(), match.end(), "theorem") for match in _LEMMA.finditer(masked))


def namespace_edits(masked: str) -> Iterator[Edit]:
    """Makes the namespaces A and B exist before `open A B`: a preamble written for Mathlib can then be read without it.

    A namespace that exists already is left as it is, and an empty one gives no name a meaning.
    """
    for match in _OPEN.finditer(masked):
        made = " ".join(f"namespace {name} end {name}" for name in match[1].split())
        yield match.start(), match.start(), f"{made} "


def edited(code: str, masked: str, edits: Iterable[Edit]) -> tuple[str, str]:
    """Both texts with the same replacements. They are made outside comments and strings, so that the second one stays
    what masking the first one would give."""
    new_code: list[str] = []
    new_masked: list[str] = []
    at = 0
    for start, end, instead in edits:
        new_code += [code[at:start], instead]
        new_masked += [masked[at:start], instead]
        at = end
    if not at and not new_code:
        return code, masked
    return "".join([*new_code, code[at:]]), "".join([*new_masked, masked[at:]])
