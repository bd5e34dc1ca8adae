"""Files of Lean itself: each theorem that ends in `sorry` is a row of the layout `lean_file`.

PutnamBench has one theorem in each file, miniF2F (yangky11's) a hundred in one.
Does not: know Lean's grammar beyond the words that begin a command at the left margin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

from jobs.problems.errors import BadRow
from verifiers.lean.assembly import mask
from verifiers.types import Json

MAX_FILE_BYTES = 64 * 2**20
"""Largest file, since it is read whole."""
_TOP = re.compile(
    r"^((?:@\[|(?:private|protected|noncomputable|local|scoped|theorem|lemma|def|abbrev|instance|structure|inductive|class|"
    r"example|axiom|opaque|namespace|section|end|open|variable|universe|set_option|attribute|notation|macro|syntax|"
    r"import)\b))",
    re.MULTILINE,
)
_THEOREM = re.compile(r"(?:(?:@\[[^\]\n]*\]|private|protected|nonrec)\s+)*(?:theorem|lemma)\s+([^\s:({\[]+)")
_PREFIX = re.compile(r"(?:open|set_option)\b[^\n]*\bin|@\[[^\]]*\]")
"""What belongs to the declaration behind it and stands on lines of its own."""
_ENDS_IN_SORRY = re.compile(r":=\s*(?:by\b\s*)?sorry\s*\Z")


def read_lean(file: IO[bytes]) -> Iterator[tuple[int, dict[str, Json] | BadRow]]:
    """(line, row) pairs. Raises BadRow."""
    data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise BadRow("", f"a .lean file of more than {MAX_FILE_BYTES >> 20} MiB", "several files")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRow("", f"not UTF-8 at byte {error.start}", "save the file as UTF-8")
    yield from rows_of_lean_file(text)


def rows_of_lean_file(text: str) -> list[tuple[int, dict[str, Json]]]:
    """(line, row) for each theorem of a file that ends in `sorry`, with what stands before it and is no such theorem:
    imports, `open`s, definitions, and lemmas with their proofs. A row is of the layout `lean_file`."""
    text = text.replace("\r\n", "\n")
    masked = mask(text)
    starts = [found.start(1) for found in _TOP.finditer(masked)]
    pieces = [(start, stop) for start, stop in zip([0, *starts], [*starts, len(text)], strict=True) if start < stop]
    before, rows, doc = "", [], ""
    for start, stop in pieces:
        # The comment before a declaration stands at the end of the piece before it.
        code_end = start + len(masked[start:stop].rstrip())
        code, rest = text[start:code_end], text[code_end:stop]
        if _PREFIX.fullmatch(masked, start, code_end):
            doc += code + "\n" + rest
            continue
        named = _THEOREM.match(masked, start)
        if named and _ENDS_IN_SORRY.search(masked[start:code_end]):
            whole = "\n\n".join(part.strip() for part in (before, doc + code) if part.strip())
            line = text.count("\n", 0, start) + 1
            rows.append((line, {"name": named[1], "formal_statement": whole}))
        else:
            before += doc + code + "\n"
        doc = rest.strip() + "\n" if rest.strip() else ""
    return rows
