"""Reads the one program out of a model's text.

The rules, in order:

1. Only the answer is read, never the thought (verifiers.thoughts), and of an answer with an `<answer>` tag what it
   holds. Of a text that was cut off only a program in a finished block counts, or the continuation of a prompt that
   other text follows.
2. Fenced blocks, as verifiers.code.blocks finds them. A block with another language's tag is no candidate, nor is one
   that does not parse, nor one that repeats some lines of an earlier block or stands for it with gaps. Of the rest the
   last that defines the entry point is taken. Without an entry point it is the last whole script, one that reads input
   and writes something; without one, the last block that does anything. Names it uses and does not define are looked
   for in the earlier blocks, which are then put before it.
3. A JSON object that ends the answer, or fills its last block, is read as the program under its key (`{"code": "…"}`).
4. Without a fence, or with only the closing one: the whole text if it parses, else the longest run of lines that does,
   starting at a line that looks like code (`def`, `class`, `import`, `from`, `@`, `async`; for `stdin` also an
   assignment or a call). Tokens that end a model's turn are no part of it.
5. HumanEval: a text that does not define the entry point is read as the continuation of the prompt.
6. The entry point may be missing under its name: a method of that name in a class `Solution` is taken, else the only
   public top-level function. Evidence tells when.

Anything else is malformed: `extract` raises MalformedError with a short reason. Parsing is all that is done here;
nothing of the text is executed.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import dataclasses
import itertools
import re
import warnings

from verifiers import thoughts
from verifiers.code import json_answers
from verifiers.code.blocks import MAX_BLOCKS, TAGS, Block, find

_MAX_PROSE_LINES = 3000
_MAX_TRIES = 60
"""Parses of one text without fences: enough for prose around one program."""
_MAX_TRIED_CHARS = 3_000_000
"""Characters of all these parses together, a few seconds: no limit covers them, and they hold up every other thread."""
_TAG_LINES = re.compile(r"</?(?:answer|solution|code)>")
_CODE_START = re.compile(r"^(def |class |import |from \S+ import|@\w|async def )")
_STATEMENT_START = re.compile(
    r"^([A-Za-z_][\w.\[\], \t]*[+\-*/]?=[^=]|[A-Za-z_][\w.]*\(|for .*:|while .*:|if .*:|print\b)"
)
_READS = {"input", "stdin", "fileinput", "read", "readline", "readlines", "mmap", "raw_input"}
_WRITES = {"print", "stdout", "write", "writelines", "pprint"}
_GAP = re.compile(r"(?:#|//)\s*(?:\.\.\.|\u2026)")
_READS_JAVASCRIPT = re.compile(r"stdin|readline|readFileSync|process\.argv")
_CPP_MAIN = re.compile(r"\bmain\s*\(")
_LOOKS_LIKE_CPP = re.compile(r"^[ \t]*(#[ \t]*include\b|using namespace\b|int main\b)", re.MULTILINE)


class MalformedError(ValueError):
    """No single program could be read; the message is the verdict's reason."""


@dataclasses.dataclass(frozen=True, slots=True)
class Program:
    """The extracted source. `entry_point` is what to call, under the name the program has for it."""

    source: str
    entry_point: str
    rule: str
    """Which rule found it: fenced, unfenced, prose, completion."""


def parse(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _parse_block(source: str) -> tuple[str, ast.Module] | None:
    """A block's program, moved to the margin if need be."""
    for text in (source, _dedent(source)):
        tree = parse(text)
        if tree is not None and tree.body:
            return text, tree
    return None


def _find(text: str, language: str) -> list[Block]:
    return find(text, language, (lambda source: _parse_block(source) is not None) if language == "python" else None)


def defined_names(tree: ast.Module) -> set[str]:
    """Names bound at the top level, inside its compound statements too, but not inside functions or classes."""
    names: set[str] = set()
    waiting = list(tree.body)  # no recursion: a chain of `elif` can be longer than the stack is deep
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        for field in ("body", "orelse", "finalbody"):
            waiting += getattr(node, field, [])
        for handler in getattr(node, "handlers", []):
            waiting += handler.body
        if not isinstance(node, ast.If | ast.Try | ast.While):
            for child in ast.walk(node):
                if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                    names.add(child.id)
    return names


def used_names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _does_something(tree: ast.Module) -> bool:
    """More than values: `-5`, `"text"` and `{1: 2}` are shown output, not a program."""
    shown = ast.Constant | ast.Tuple | ast.List | ast.Set | ast.Dict | ast.Name | ast.UnaryOp | ast.BinOp | ast.Compare
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, shown)) for node in tree.body)


def _resolve(tree: ast.Module, entry_point: str) -> str | None:
    """What to call for `entry_point` in this program, or None."""
    owner, _, name = entry_point.rpartition(".")
    names = defined_names(tree)
    methods = {
        f"{node.name}.{item.name}"
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.FunctionDef)
    }
    if not owner:
        if name in names:
            return name
        return f"Solution.{name}" if f"Solution.{name}" in methods else None
    if entry_point in methods or (owner in names and not any(m.startswith(owner + ".") for m in methods)):
        return entry_point
    return name if name in names else None


def resolve_all(tree: ast.Module, wanted: list[str]) -> dict[str, str]:
    """For names that a test calls and the program lacks: where the program has them."""
    found = {name: target for name in wanted if (target := _resolve(tree, name))}
    lone = _only_function(tree)
    if len(wanted) == 1 and not found and lone:
        return {wanted[0]: lone}
    return found


def _only_function(tree: ast.Module) -> str | None:
    functions = [n.name for n in tree.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
    if len(functions) == 1 and not any(isinstance(n, ast.ClassDef) for n in tree.body):
        return functions[0]
    return None


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    """A block that is a program, or part of one."""

    source: str
    tree: ast.Module
    tagged: bool


def _with_earlier(part: _Part, earlier: list[_Part]) -> str:
    """The block, preceded by the earlier ones that define what it lacks."""
    missing = used_names(part.tree) - defined_names(part.tree) - set(dir(builtins))
    needed = []
    for other in reversed(earlier):
        provided = defined_names(other.tree)
        if provided & missing and not provided & defined_names(part.tree):
            needed.append(other.source)
            missing |= used_names(other.tree) - set(dir(builtins))
    return "\n".join([*reversed(needed), part.source])


def _joined(source: str) -> str:
    return "\n" + "\n".join(line.strip() for line in source.split("\n") if line.strip()) + "\n"


def _without_excerpts(sources: list[str]) -> list[int]:
    """Positions of the blocks that do not merely repeat some lines of an earlier one, or stand for one with gaps."""
    joined = [_joined(source) for source in sources]
    whole = [
        position
        for position, text in enumerate(joined)
        if not any(text in other and text != other for other in joined[:position])
    ]
    return [
        position
        for position in whole
        if not _GAP.search(sources[position])
        or not any(len(joined[other]) >= len(joined[position]) for other in whole if other < position)
    ]


def _identifiers(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found.add(node.name)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            found.add("read")
    return found


def _whole_script(tree: ast.Module) -> bool:
    """Reads its input and writes something, as a block that shows or explains a line does not."""
    names = _identifiers(tree)
    return bool(names & _READS) and bool(names & _WRITES)


def _parts(blocks: list[Block]) -> list[_Part]:
    found: list[_Part] = []
    for block in blocks:
        if block.tag in TAGS["python"] or not block.tag:
            parsed = _parse_block(block.source)
            if parsed is not None and _does_something(parsed[1]):
                found.append(_Part(*parsed, bool(block.tag)))
    return [found[position] for position in _without_excerpts([part.source for part in found])]


def _from_fences(blocks: list[Block], entry_point: str) -> Program | None:
    usable = _parts(blocks)
    tagged = [part for part in usable if part.tagged]
    if not entry_point:
        part = _last_script(usable)
        return None if part is None else Program(_with_earlier(part, usable[: usable.index(part)]), "", "fenced")
    for position in range(len(usable) - 1, -1, -1):
        target = _resolve(usable[position].tree, entry_point)
        if target is not None:
            return Program(_with_earlier(usable[position], usable[:position]), target, "fenced")
    for part in reversed(tagged or usable):
        name = _only_function(part.tree)
        if name:
            earlier = [other for other in usable if other is not part]
            return Program(_with_earlier(part, earlier), name, "fenced, entry point under another name")
    return None


def _last_script(parts: list[_Part]) -> _Part | None:
    """The last whole program; without one the last block, which may need the earlier ones."""
    for group in (
        [part for part in parts if _whole_script(part.tree)],
        [part for part in parts if part.tagged],
        parts,
    ):
        if group:
            return group[-1]
    return None


def _dedent(source: str) -> str:
    lines = source.split("\n")
    indents = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    margin = min(indents, default=0)
    return "\n".join(line[margin:] if line.strip() else "" for line in lines)


def _from_prose(text: str, entry_point: str) -> Program | None:
    lines = text.split("\n")[-_MAX_PROSE_LINES:]
    starts = [i for i, line in enumerate(lines) if _CODE_START.match(line)]
    if not entry_point:
        starts = sorted({*starts, *(i for i, line in enumerate(lines) if _STATEMENT_START.match(line))})
    tries = chars = 0
    is_whole = True
    for start in starts:
        # A run of code ends before a line at the margin that cannot follow; each end is tried once, the longest first.
        ends = [
            i for i in range(start + 1, len(lines)) if lines[i][:1].strip() and not lines[i].startswith((")", "]", "}"))
        ]
        for end in [len(lines), *reversed(ends)]:
            source = "\n".join(lines[start:end])
            tries += 1
            chars += len(source)
            if tries > _MAX_TRIES * 10 or chars > _MAX_TRIED_CHARS:
                return None
            tree = parse(source)
            if tree is None or not _does_something(tree):
                continue
            target = _resolve(tree, entry_point) if entry_point else ""
            if target is not None:
                return Program(source, target, "prose")
            if is_whole and (name := _only_function(tree)) is not None:
                return Program(source, name, "prose, entry point under another name")
            is_whole = False  # what comes after this start is a part of a program, where one of several looks alone
            break
    return None


def preamble(prompt: str, entry_point: str) -> str:
    """The prompt's imports and finished helpers: its top level without the entry point and empty functions."""
    tree = parse(prompt) or parse(prompt + "\n    pass\n")
    if tree is None:
        return ""

    def finished(node: ast.stmt) -> bool:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if _is_docstring(node.body[0]) else node.body
            return node.name != entry_point and any(not isinstance(n, ast.Pass) for n in body)
        return True

    return "\n".join(ast.unparse(node) for node in tree.body if finished(node) and not _is_docstring(node))


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _from_completion(text: str, prompt: str, entry_point: str, *, is_whole: bool = True) -> Program | None:
    """A bare function body after its prompt; generation may have gone on past its end. Of a text that is not whole a
    body counts only if something follows that is no part of it."""
    body = text.strip("\n").rstrip()
    lines = body.split("\n")
    if lines and not lines[0].startswith((" ", "\t")):
        # Models often lose the first line's indentation, or the whole body's.
        rest = [line for line in lines[1:] if line.strip()]
        if rest and all(line.startswith((" ", "\t")) for line in rest):
            lines[0] = rest[0][: len(rest[0]) - len(rest[0].lstrip())] + lines[0]
        else:
            lines = ["    " + line for line in lines]
    ends = [i for i in range(1, len(lines)) if lines[i][:1].strip()]
    # What follows the body at the margin and defines nothing is babble: examples, tests, the next prompt.
    babble = [i for i in ends if not _CODE_START.match(lines[i])][:1]
    chars = 0
    for end in [*babble, len(lines), *reversed(ends[:_MAX_TRIES])] if is_whole else babble:
        source = prompt.rstrip() + "\n" + "\n".join(lines[:end]) + "\n"
        chars += len(source)
        if chars > _MAX_TRIED_CHARS:
            break
        tree = parse(source)
        if tree is not None and _resolve(tree, entry_point) is not None:
            return Program(source, entry_point, "completion")
    return None


def _whole_text(text: str, entry_point: str, prompt: str) -> Program | None:
    """The text itself, if it is a program."""
    tree = parse(text)
    if tree is None or not tree.body or not _does_something(tree):
        return None
    target = _resolve(tree, entry_point) if entry_point else ""
    if target is None and not prompt:
        target = _only_function(tree)
    return None if target is None else Program(text, target, "unfenced")


def _extract_python(text: str, entry_point: str, prompt: str) -> Program:
    program = _whole_text(text, entry_point, prompt)  # fences in it are in its strings
    found = [] if program else _find(text, "python")
    if program is None:
        program = _from_fences(found, entry_point)
    if program is None and prompt and entry_point:
        bodies = [block.source for block in found if not block.tag or block.tag in TAGS["python"]] or [text]
        program = _from_completion(bodies[-1], prompt, entry_point)
    if program is None:
        program = _without_fences(text, found, entry_point, prompt)
    if program is None:
        if found and not any(_parse_block(block.source) for block in found):
            raise MalformedError("no fenced block is a Python program")
        raise MalformedError(f"no program that defines {entry_point}" if entry_point else "no program found")
    if prompt and program.rule != "completion" and (before := preamble(prompt, entry_point)):
        program = dataclasses.replace(program, source=_after_future_imports(program.source, before))
    return program


def _without_fences(text: str, found: list[Block], entry_point: str, prompt: str) -> Program | None:
    """A program in prose: before the first fence, which only closes it, or in a block with prose behind the code."""
    bare = _TAG_LINES.sub("\n", text)
    head = "\n".join(itertools.takewhile(lambda line: not line.lstrip().startswith(("```", "~~~")), bare.split("\n")))
    program = _whole_text(head, entry_point, prompt) or _from_prose(head, entry_point)
    if program is None and found and (not found[-1].tag or found[-1].tag in TAGS["python"]):
        program = _from_prose(found[-1].source, entry_point)
    if program is None and not found:
        program = _indented(bare, entry_point)
    return program


def _indented(text: str, entry_point: str) -> Program | None:
    """Markdown's other way to write code: lines that are all indented. The last such run that is a program."""
    runs: list[list[str]] = [[]]
    for line in text.split("\n")[-_MAX_PROSE_LINES:]:
        if line.startswith(("    ", "\t")) or (not line.strip() and runs[-1]):
            runs[-1].append(line)
        elif runs[-1]:
            runs.append([])
    return _from_fences([Block("", "\n".join(run)) for run in runs[-MAX_BLOCKS:] if run], entry_point)


def _after_future_imports(source: str, before: str) -> str:
    """`before` put in front, but below `from __future__` lines, which must stay first."""
    future = [line for line in source.split("\n") if line.startswith("from __future__ import")]
    return (
        "\n".join([*future, before, source])
        if not future
        else "\n".join(
            [*future, before, *(line for line in source.split("\n") if not line.startswith("from __future__ import"))]
        )
    )


def _extract_other(text: str, language: str) -> Program:
    found = _find(text, language)
    own = [block for block in found if not block.tag or block.tag in TAGS[language]]
    if language == "cpp":
        own = [block for block in own if block.tag or _LOOKS_LIKE_CPP.search(block.source)]
    own = [own[position] for position in _without_excerpts([block.source for block in own])]
    complete = _CPP_MAIN if language == "cpp" else _READS_JAVASCRIPT
    for group in (
        [block for block in own if complete.search(block.source)],
        [block for block in own if block.tag],
        [block for block in own if block.source.strip()],
    ):
        if group:
            return Program(group[-1].source, "", "fenced")
    if not any(block.source.strip() for block in found):
        bare = "\n".join(line for line in text.split("\n") if not line.strip().startswith(("```", "~~~")))
        if language != "cpp":
            return Program(bare, "", "unfenced")
        if match := _LOOKS_LIKE_CPP.search(bare):
            code = bare[match.start() :]
            end = code.rfind("}")  # what follows its line is prose
            line_end = code.find("\n", end)
            return Program(code if end < 0 or line_end < 0 else code[:line_end], "", "unfenced")
    raise MalformedError(f"no {language} program found")


def _final_part(text: str) -> str:
    """What stands in the last `<answer>` of a text, if that looks like a program: the blocks before it are drafts."""
    tags = [match for match in _TAG_LINES.finditer(text) if not match[0].startswith("</")]
    if not tags:
        return text
    inner = text[tags[-1].end() :]
    closing = "</" + tags[-1][0][1:]
    inner = inner[: inner.rfind(closing)] if closing in inner else inner
    lines = inner.split("\n")[:_MAX_PROSE_LINES]
    looks_like_code = any(
        _CODE_START.match(line) or _STATEMENT_START.match(line) or line.lstrip().startswith(("```", "~~~"))
        for line in lines
    )
    is_packed = json_answers.program_of(inner) is not None
    return inner if looks_like_code or is_packed or _LOOKS_LIKE_CPP.search(inner) else text


def _in_json(text: str, language: str) -> str | None:
    """The program of a JSON object that ends the text or fills its last block."""
    found = json_answers.program_at_end(text)
    if found is None:
        blocks = _find(text, language) if "{" in text and ("```" in text or "~~~" in text) else []
        if blocks and blocks[-1].closed and blocks[-1].tag in ("json", ""):
            found = json_answers.program_of(blocks[-1].source)
    return None if found is None else found.replace("\r\n", "\n")


def _extract(text: str, language: str, entry_point: str, prompt: str) -> Program:
    if language != "python":
        return _extract_other(text, language)
    return _extract_python(text, entry_point, prompt)


def extract(
    text: str, language: str = "python", entry_point: str = "", prompt: str = "", finish_reason: str | None = None
) -> Program:
    """Raises MalformedError."""
    parts = thoughts.split(text, finish_reason)
    if unreadable := parts.unreadable():
        raise MalformedError(unreadable)
    text = parts.answer.replace("\r\n", "\n").lstrip("\ufeff")
    text = thoughts.without_end_tokens(text, "answer", "solution", "code")
    if not text.strip():
        raise MalformedError("empty answer")
    text = _final_part(text)
    if parts.cut:
        blocks = _find(text, language)
        if blocks and not blocks[-1].closed:
            raise MalformedError(parts.cut_off("inside a fenced block"))
        if not blocks:
            # Nothing says where a program without a fence ends, but for a body that other text follows.
            is_body = language == "python" and prompt and entry_point
            program = _from_completion(text, prompt, entry_point, is_whole=False) if is_body else None
            if program is None:
                raise MalformedError(parts.cut_off("before a final answer"))
            return program
    elif (packed := _in_json(text, language)) is not None:
        with contextlib.suppress(MalformedError):  # an object that a program prints, for instance
            return _extract(packed, language, entry_point, prompt)
    return _extract(text, language, entry_point, prompt)
