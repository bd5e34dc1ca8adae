"""Reads what a compiled file (`.olean`) declares, in this process and without a Lean.

Where a toolchain has no tool that exports terms, this is how the statement of a candidate is compared with the
problem's. The file is an image of Lean's objects in memory: a header, and objects that point at each other.

Promises: pure Python over data; every offset, size and tag is checked before it is used, an object may only point at
objects before it, and the work is bounded by the file's size. Equal terms get equal numbers (exports.Terms), up to
bound names, binder annotations and metadata. Does not: look into imported modules, check a proof, or find out whether
a hostile process wrote the file: it says what the file says. Fails: ExportError, also for layouts it does not know.

Known layouts: version 1 of the header (Lean 4.0 to 4.2x) and version 2 (to 4.35), on 64-bit little-endian machines.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from verifiers.lean.native.exports import Constants, ExportError, Terms

MAX_BYTES = 64 << 20
"""Size of the largest file that is read. A candidate's own declarations have kilobytes to a few megabytes."""
_HEADER_BYTES = {1: 56, 2: 88}
"""Size of the header by its version; its last eight bytes are the address that pointers count from."""
_ARRAY, _STRING, _BIG_NUMBER = 246, 249, 250
_KINDS = ("axiom", "def", "thm", "opaque", "quot", "inductive", "ctor", "rec")
"""Constructors of Lean's ConstantInfo, in their order."""
_NUM_EXPRESSION_FIELDS = {0: 1, 3: 1, 4: 2, 5: 2, 6: 3, 7: 3, 8: 4, 9: 1, 10: 2, 11: 3}
"""Fields by constructor of Lean's Expr. Free variables (1) and metavariables (2) have no place in a declaration."""
_SUBTERMS = {5: (0, 1), 6: (1, 2), 7: (1, 2), 8: (1, 2, 3), 10: (1,), 11: (2,)}
"""Fields that are expressions, by constructor of Lean's Expr."""

Value = int
"""A field: an offset in the file, or a small number with its lowest bit set."""


class CompiledFile(Constants):
    """The constants of one module."""

    whole = False

    def __init__(self, data: bytes, terms: Terms) -> None:
        """Raises ExportError."""
        super().__init__(terms)
        self._data = data
        self._expressions: dict[Value, int] = {}
        self._levels: dict[Value, int] = {}
        self._names: dict[Value, str] = {}
        try:
            root = self._open()
            self.imports = tuple(
                sorted(self._name(self._fields(m, 1)[0]) for m in self._array(self._fields(root, 5)[0]))
            )
            for constant in self._array(self._fields(root, 5)[2]):
                self._take(constant)
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            raise ExportError(f"not a compiled file: {error}") from error

    @classmethod
    def read(cls, path: Path, terms: Terms) -> CompiledFile:
        """Raises ExportError."""
        if path.stat().st_size > MAX_BYTES:
            raise ExportError(f"a compiled file of more than {MAX_BYTES >> 20} MB")
        return cls(path.read_bytes(), terms)

    # Objects

    def _open(self) -> Value:
        """Offset of the module's own object."""
        data = self._data
        if data[:5] != b"olean":
            raise ExportError("not a compiled file")
        start = _HEADER_BYTES.get(data[5])
        if start is None or len(data) < start + 16:
            raise ExportError(f"a compiled file of the unknown version {data[5]}, or cut off")
        self._start = start
        (self._base,) = struct.unpack_from("<Q", data, start - 8)
        # Newer versions write the address of the module's object first, older ones last.
        for place in (start, len(data) - 8):
            (address,) = struct.unpack_from("<Q", data, place)
            if start <= address - self._base < len(data) and not address & 7:
                return int(address - self._base)
        raise ExportError("a compiled file without a root")

    def _head(self, at: Value) -> tuple[int, int]:
        """Constructor or kind of the object at an offset, and how many fields it has."""
        if at & 1 or not self._start <= at <= len(self._data) - 8:
            raise ExportError("a field points outside the file")
        _, _, count, tag = struct.unpack_from("<IHBB", self._data, at)
        return int(tag), int(count)

    def _values(self, at: Value, place: int, count: int) -> tuple[Value, ...]:
        """`count` fields from offset `place` of the object at `at`."""
        found = []
        for word in struct.unpack_from(f"<{count}Q", self._data, place):
            if not word & 1:
                word -= self._base
                if not self._start <= word < at:
                    raise ExportError("a field does not point at an object before its own")
            found.append(word)
        return tuple(found)

    def _fields(self, at: Value, least: int) -> tuple[Value, ...]:
        """The fields of a constructor object, of which there must be at least `least`."""
        tag, count = self._head(at)
        if tag >= _ARRAY - 2 or count < least:
            raise ExportError("an object of an unexpected form")
        return self._values(at, at + 8, count)

    def _array(self, at: Value) -> tuple[Value, ...]:
        if self._head(at)[0] != _ARRAY:
            raise ExportError("no array where one was expected")
        (size,) = struct.unpack_from("<Q", self._data, at + 8)
        if size > len(self._data) // 8:
            raise ExportError("an array larger than the file")
        return self._values(at, at + 24, size)

    def _list(self, at: Value) -> Iterator[Value]:
        while not at & 1:
            item, at = self._fields(at, 2)[:2]
            yield item

    def _string(self, at: Value) -> str:
        """Its size counts the null byte behind it."""
        if self._head(at)[0] != _STRING:
            raise ExportError("no text where one was expected")
        (size,) = struct.unpack_from("<Q", self._data, at + 8)
        if not 0 < size <= len(self._data) - at - 32:
            raise ExportError("a text larger than the file")
        return self._data[at + 32 : at + 31 + size].decode()

    def _number(self, at: Value) -> str:
        """A natural number, as text. Large ones are written in limbs of eight bytes behind their object."""
        if at & 1:
            return str(at >> 1)
        if self._head(at)[0] != _BIG_NUMBER:
            raise ExportError("no number where one was expected")
        (size,) = struct.unpack_from("<i", self._data, at + 12)
        if not 0 < size <= len(self._data) // 8 or (self._data[5] == 2 and not self._data[6] & 1):
            raise ExportError("a number of an unknown form")
        return "0x" + self._data[at + 24 : at + 24 + 8 * size][::-1].hex()

    # Names, levels, expressions

    def _name(self, at: Value) -> str:
        pending: list[tuple[Value, str]] = []
        while not at & 1 and at not in self._names:
            parent, last = self._fields(at, 2)[:2]
            if self._head(at)[0] == 1:  # escaped as in exports.py, so that no two names are written alike
                part = json.dumps(self._string(last), ensure_ascii=False)[1:-1].replace(".", "\\.")
            else:
                part = f"#{self._number(last)}"
            pending.append((at, part))
            at = parent
        name = self._names.get(at, "")
        for place, part in reversed(pending):
            name = self._names[place] = f"{name}.{part}" if name else part
        return name

    def _postorder(
        self, root: Value, done: dict[Value, int], parts: Callable[[Value], tuple[Value, ...]]
    ) -> Iterator[Value]:
        """Objects that have no number in `done` yet, each behind its parts. Objects point backwards only: it ends."""
        stack = [root]
        while stack:
            at = stack[-1]
            missing = [] if at in done else [part for part in parts(at) if part not in done]
            if missing:
                stack += missing
                continue
            stack.pop()
            if at not in done:
                yield at

    def _level(self, root: Value) -> int:
        number, done = self._terms.number, self._levels
        for at in self._postorder(root, done, self._level_parts):
            tag = at >> 1 if at & 1 else self._head(at)[0]
            if tag == 0:
                done[at] = number(("zero",))
            elif tag == 4:
                done[at] = number(("param", self._name(self._fields(at, 1)[0])))
            else:
                word = {1: "succ", 2: "max", 3: "imax"}[tag]
                done[at] = number((word, *(done[part] for part in self._level_parts(at))))
        return done[root]

    def _level_parts(self, at: Value) -> tuple[Value, ...]:
        tag = at >> 1 if at & 1 else self._head(at)[0]
        if tag > 4 or (at & 1 and tag):
            raise ExportError("a level of an unknown form")
        count = (0, 1, 2, 2, 0)[tag]
        return self._fields(at, count)[:count] if count else ()

    def _expression(self, root: Value) -> int:
        done = self._expressions
        for at in self._postorder(root, done, self._subterms):
            tag, fields = self._head(at)[0], self._fields(at, 1)
            parts = tuple(done[part] for part in self._subterms(at))
            if tag == 10:  # metadata means nothing to the kernel
                done[at] = parts[0]
                continue
            key, used = self._key(tag, fields, parts)
            done[at] = self.add_expression(key, parts, used)
        return done[root]

    def _subterms(self, at: Value) -> tuple[Value, ...]:
        tag, _ = self._head(at)
        if tag not in _NUM_EXPRESSION_FIELDS:
            raise ExportError("an expression of an unknown form")
        fields = self._fields(at, _NUM_EXPRESSION_FIELDS[tag])
        return tuple(fields[i] for i in _SUBTERMS.get(tag, ()))

    def _key(self, tag: int, fields: tuple[Value, ...], parts: tuple[int, ...]) -> tuple[tuple[object, ...], str]:
        """What an expression is, beside the constant that it names."""
        if tag == 0:
            return ("bvar", self._number(fields[0])), ""
        if tag == 3:
            return ("sort", self._level(fields[0])), ""
        if tag == 4:
            name = self._name(fields[0])
            return ("const", name, tuple(self._level(level) for level in self._list(fields[1]))), name
        if tag == 9:
            (value,) = self._fields(fields[0], 1)[:1]
            if self._head(fields[0])[0] == 0:
                return ("nat", self._number(value)), "Nat"
            return ("str", self._string(value)), "String"
        if tag == 11:
            name = self._name(fields[0])
            return ("proj", name, self._number(fields[1]), *parts), name
        return ({5: "app", 6: "lam", 7: "forallE", 8: "let"}[tag], *parts), ""

    # Declarations

    def _take(self, at: Value) -> None:
        tag, _ = self._head(at)
        if tag >= len(_KINDS):
            raise ExportError("a declaration of an unknown kind")
        kind = _KINDS[tag]
        fields = self._fields(self._fields(at, 1)[0], 1)
        name_, params, type_ = self._fields(fields[0], 3)[:3]
        roots = [type_]
        related: list[str] = []
        extra: tuple[object, ...] = ()
        if kind in ("def", "thm", "opaque"):
            roots.append(fields[1])
        elif kind == "inductive":  # parameters, indices, its group, its constructors
            related = [self._name(n) for n in (*self._list(fields[3]), *self._list(fields[4]))]
            extra = (self._number(fields[1]), self._number(fields[2]))
        elif kind == "ctor":  # its type, its number, parameters, fields
            related = [self._name(fields[1])]
            extra = tuple(self._number(f) for f in fields[2:5])
        terms = tuple(self._expression(root) for root in roots)
        names = tuple(self._name(n) for n in self._list(params))
        self.declare(kind, self._name(name_), names, terms, extra=extra, related=tuple(related))


def compare_imports(reference: CompiledFile, candidate: CompiledFile) -> str:
    """What the candidate imports otherwise; empty where it imports the same modules."""
    differing = sorted(set(reference.imports) ^ set(candidate.imports))
    return f"imports other modules: {', '.join(differing)[:200]}" if differing else ""
