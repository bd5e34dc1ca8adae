"""Rewrites the published Lean WebAssembly module into one that starts in seconds.

As published, the module exports all of its 201,110 symbols, and its JavaScript names each of them: older Node refuses
that many, newer Node takes half a minute to bind them. Here the exports shrink to those the runtime itself needs; every
other function is put into the module's function table instead, where `symtab.txt` says which slot it has.

Promises: a pure function of its input bytes. Does not: change any code or data of Lean's. Fails: with ValueError where
the input is not laid out as expected, so a different package version is refused rather than half rewritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TYPE_EXPORT_FUNCTION, _TYPE_EXPORT_GLOBAL = 0, 3
_SECTION_IMPORT, _SECTION_TABLE, _SECTION_GLOBAL, _SECTION_EXPORT, _SECTION_ELEMENT = 2, 4, 6, 7, 9

# Exports that the generated JavaScript reaches by name outside its big assignment list.
_RUNTIME_EXPORTS = frozenset(
    (
        "__indirect_function_table",
        "__wasm_call_ctors",
        "_emscripten_tls_init",
        "__wasm_apply_data_relocs",
        "main",
        "__main_argc_argv",
        "__stack_pointer",
        "__wasm_init_tls",
        "__tls_size",
        "__tls_align",
        "__tls_base",
    )
)


class _Reader:
    """A cursor over WebAssembly's binary encoding."""

    def __init__(self, data: bytes, offset: int = 0) -> None:
        self.data = data
        self.offset = offset

    def byte(self) -> int:
        self.offset += 1
        return self.data[self.offset - 1]

    def unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def signed(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value - (1 << shift) if byte & 0x40 else value

    def text(self) -> str:
        length = self.unsigned()
        self.offset += length
        return self.data[self.offset - length : self.offset].decode()


def _unsigned(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _signed(value: int) -> bytes:
    """LEB128 of a non-negative number, whose last byte must leave the sign bit clear."""
    out = bytearray()
    while value >= 0x40:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _sections(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(id, offset, size) of each section's contents."""
    if data[:8] != b"\0asm\1\0\0\0":
        raise ValueError("not a WebAssembly module")
    reader = _Reader(data, 8)
    while reader.offset < len(data):
        section = reader.byte()
        size = reader.unsigned()
        yield section, reader.offset, size
        reader.offset += size


def _imports(reader: _Reader) -> tuple[int, set[str]]:
    """Number of imported globals, and the functions whose table slots the module asks for by name."""
    num_globals, wanted = 0, set()
    for _ in range(reader.unsigned()):
        module, name = reader.text(), reader.text()
        kind = reader.byte()
        if kind == 0:
            reader.unsigned()
        elif kind == 2:
            flags = reader.byte()
            reader.unsigned()
            if flags & 1:
                reader.unsigned()
        elif kind == 3:
            reader.offset += 2
            num_globals += 1
            if module == "GOT.func":
                wanted.add(name)
        else:
            raise ValueError(f"unexpected import kind {kind} of {module}.{name}")
    return num_globals, wanted


def _globals(reader: _Reader) -> list[tuple[bool, int]]:
    """(mutable, constant) of each global the module defines."""
    found = []
    for _ in range(reader.unsigned()):
        reader.byte()
        mutable = reader.byte() == 1
        if reader.byte() not in (0x41, 0x42):
            raise ValueError("a global is not initialised by a constant")
        found.append((mutable, reader.signed()))
        if reader.byte() != 0x0B:
            raise ValueError("a global's initialiser is not a single constant")
    return found


def rewrite_wasm(data: bytes, kept_exports: set[str]) -> tuple[bytes, str]:
    """The module with few exports, and its symbol table: lines `name slot` (functions), `name -address-1` (data)."""
    at = {section: offset for section, offset, _ in _sections(data) if section}
    num_imported_globals, wanted = _imports(_Reader(data, at[_SECTION_IMPORT]))
    constants = _globals(_Reader(data, at[_SECTION_GLOBAL]))

    reader = _Reader(data, at[_SECTION_EXPORT])
    exports = []
    for _ in range(reader.unsigned()):
        name = reader.text()
        kind = reader.byte()
        exports.append((name, kind, reader.unsigned()))

    reader = _Reader(data, at[_SECTION_TABLE])
    if reader.unsigned() != 1:
        raise ValueError("expected one function table")
    table_type, table_flags = reader.byte(), reader.byte()
    table_size = reader.unsigned()
    table_maximum = reader.unsigned() if table_flags & 1 else None

    functions = sorted({index for _, kind, index in exports if kind == _TYPE_EXPORT_FUNCTION})
    slots = {index: table_size + i for i, index in enumerate(functions)}
    new_size = table_size + len(functions)

    keep = kept_exports | wanted | _RUNTIME_EXPORTS
    symbols: dict[str, int] = {}
    kept = []
    for name, kind, index in exports:
        mutable_global = False
        if kind == _TYPE_EXPORT_FUNCTION:
            symbols[name] = slots[index]
        elif kind == _TYPE_EXPORT_GLOBAL:
            mutable_global, value = constants[index - num_imported_globals]
            if not mutable_global:
                symbols[name] = -(value & 0xFFFFFFFF) - 1
        if name in keep or mutable_global or kind not in (_TYPE_EXPORT_FUNCTION, _TYPE_EXPORT_GLOBAL):
            kept.append((name.encode(), kind, index))

    out = bytearray(data[:8])
    for section, offset, size in _sections(data):
        if section == _SECTION_TABLE:
            body = _unsigned(1) + bytes([table_type, table_flags]) + _unsigned(new_size)
            if table_maximum is not None:
                body += _unsigned(max(table_maximum, new_size))
        elif section == _SECTION_EXPORT:
            body = _unsigned(len(kept)) + b"".join(
                _unsigned(len(name)) + name + bytes([kind]) + _unsigned(index) for name, kind, index in kept
            )
        elif section == _SECTION_ELEMENT:
            reader = _Reader(data, offset)
            count = reader.unsigned()
            segment = bytes([0, 0x41]) + _signed(table_size) + b"\x0b" + _unsigned(len(functions))
            segment += b"".join(map(_unsigned, functions))
            body = _unsigned(count + 1) + data[reader.offset : offset + size] + segment
        else:
            body = data[offset : offset + size]
        out += bytes([section]) + _unsigned(len(body)) + body
    return bytes(out), "\n".join(f"{name} {value}" for name, value in symbols.items())


_ASSIGN = "function assignWasmExports(wasmExports){"
_AFTER_ASSIGN = "var wasmImports;function assignWasmImports()"
_EXPORT_NAME = re.compile(r'wasmExports\["([^"]+)"\]')
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*")

_SYMBOL_TABLE = (
    'var __symbols;var __symtab=()=>{if(!__symbols){__symbols=new Map;for(const line of require("fs")'
    '.readFileSync(__dirname+"/symtab.txt","latin1").split("\\n")){const i=line.lastIndexOf(" ");'
    "__symbols.set(line.slice(0,i),+line.slice(i+1))}}return __symbols};"
)
_ACCESS = (
    "Module.__sym=n=>{var v=__symtab().get(n);return v===undefined?undefined:v>=0?v:-v-1};"
    'Module.__fn=n=>{var v=__symtab().get(n);if(v===undefined||v<0)throw new Error("no function "+n);'
    "return getWasmTableEntry(v)};"
    "Module.__heap32=()=>(growMemViews(),HEAPU32);Module.__heap8=()=>(growMemViews(),HEAPU8);"
)
_START = "if(!ENVIRONMENT_IS_PTHREAD){createWasm();run()}"

# What the published JavaScript does for each of its exports, and what it shall do instead.
_EDITS = (
    ('var Module=typeof Module!="undefined"?Module:{};', "var Module=globalThis.__LeanModule||{};"),
    ("updateGOT(origExports);LDSO.init()", "LDSO.init()"),
    (
        "if(!functionsInTableMap){functionsInTableMap=new WeakMap;updateTableMap(0,wasmTable.length)}",
        "if(!functionsInTableMap){functionsInTableMap=new WeakMap}",
    ),
    ("var updateTableMap=(offset,count)=>{", "var updateTableMap=(offset,count)=>{return;"),
    (
        "metadata.tlsExports.forEach(s=>tlsExports[s]=moduleExports[s]);"
        "updateGOT(relocateExports(tlsExports,__tls_base),true)",
        "",
    ),
    ("var pthreadPoolSize=4;", 'var pthreadPoolSize=+(process.env.LEAN_POOL||"1");'),
    ("var __dlsym_js=", _SYMBOL_TABLE + "var __dlsym_js="),
    ('return locateFile("lean.wasm")', 'return __dirname+"/lean-min.wasm"'),
    (_START, _ACCESS + _START),
    ('name:"em-pthread"})', 'name:"em-pthread",resourceLimits:{stackSizeMb:64}})'),
    ("var wasmTableMirror=[];", "var wasmTableMirror=new Array(180000).fill(undefined);"),
)


def kept_exports(script: str) -> set[str]:
    """Names of the exports that `rewrite_script`'s result uses."""
    return {name for statement in _needed(script)[1] for name in _EXPORT_NAME.findall(statement)}


def _needed(script: str) -> tuple[str, list[str], list[str], str]:
    """The script before its export variables, the assignments and variables the rest needs, the script after them."""
    start = script.find(_ASSIGN)
    end = script.find(_AFTER_ASSIGN, start)
    variables = script.rfind(";var ", 0, start) + 1
    if start < 0 or end < 0 or variables <= 0:
        raise ValueError("the script does not assign its exports the expected way")
    prefix, suffix = script[:variables], script[end:]
    used = set(_IDENTIFIER.findall(prefix + suffix))
    assignments = script[start + len(_ASSIGN) : end].rstrip("}").split(";")
    names = script[variables + 4 : start].rstrip(";").split(",")
    needed = [a for a in assignments if a.split("=", 1)[0] in used]
    return prefix, needed, [n for n in names if n in used], suffix


def rewrite_script(script: str) -> str:
    """The module's JavaScript, bound to the few exports that are left and to the symbol table for the others."""
    prefix, needed, names, suffix = _needed(script)
    variables = ",".join(sorted({*names, "wasmTable"}))
    out = f"{prefix}var {variables};{_ASSIGN}{';'.join(needed)}}}{suffix}"
    for old, new in _EDITS:
        if old not in out:
            raise ValueError(f"the script lacks {old[:60]!r}")
        out = out.replace(old, new)
    lookup = out.find("var lib=LDSO.loadedLibsByHandle[handle];newSymIndex=")
    after = out.find("__dlsym_js.sig=", lookup)
    if lookup < 0 or after < 0:
        raise ValueError("the script does not look symbols up the expected way")
    by_table = (
        'var v=__symtab().get(symbol);if(v===undefined){dlSetError("unknown symbol");return 0}return v>=0?v:-v-1};'
    )
    return out[:lookup] + by_table + out[after:]
