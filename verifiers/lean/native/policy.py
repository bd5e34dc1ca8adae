"""The text policy: what has no place in a proof is refused before Lean sees it, with a reason.

Limits first. It reads words, not syntax trees: comments and strings are blanked, then whole words are looked for. A
macro can spell what it looks for. So it is a courtesy, a saving, and what keeps the shared warm REPL from running a
candidate's own code in the ordinary case; nothing is accepted because of it. The audit decides alone, and the tests run
every attack with the policy off, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from verifiers.lean.assembly import mask

_WORD = r"(?<![\w.'«]){}(?![\w'»?!])"
_WORDS = {
    "sorry": "uses sorry",
    "admit": "uses admit",
    "sorryAx": "uses sorryAx",
    "native_decide": "uses native_decide",
    "axiom": "declares an axiom",
    "unsafe": "uses unsafe",
    "dbg_trace": "uses dbg_trace",
    "include_str": "uses include_str",
    "initialize": "runs code while Lean elaborates: initialize",
    "builtin_initialize": "runs code while Lean elaborates: builtin_initialize",
    "run_cmd": "runs code while Lean elaborates: run_cmd",
    "run_elab": "runs code while Lean elaborates: run_elab",
    "run_meta": "runs code while Lean elaborates: run_meta",
    "run_tac": "runs code while Lean elaborates: run_tac",
    "by_elab": "runs code while Lean elaborates: by_elab",
    "elab": "runs code while Lean elaborates: elab",
    "elab_rules": "runs code while Lean elaborates: elab_rules",
}
_FORBIDDEN = re.compile("|".join(_WORD.format(re.escape(word)) for word in _WORDS))
_COMMANDS = re.compile(r"(?<![\w.'])#(eval!?|exit)(?![\w'])")
_BRACKETS = re.compile(r"@\[|(?<![\w.'])attribute\s*\[|\[|\]")
_FORBIDDEN_ATTRIBUTES = re.compile(
    _WORD.format(
        r"(?:implemented_by|extern|export|init|builtin_init|csimp|computed_fields|command_elab|tactic|term_elab|macro"
        r"|builtin_\w+|command_parser|term_parser|tactic_parser|run_\w+)"
    )
)
_OPTION = re.compile(r"(?<![\w.'])set_option\s+((?:debug|compiler|interpreter|internal|Elab|server)\.[\w.]+)")
_NAMES = re.compile(
    r"(?<![\w'])(?:Lean\.)?(ofReduceBool|ofReduceNat|trustCompiler|unsafeCast|unsafeIO|unsafeBaseIO|addDeclWithoutChecking)"
    r"(?![\w'])"
)
_PROCEDURE = re.compile(
    r"^[ \t]*(?:(?:local|scoped)[ \t]+)?(?:builtin_)?d?simproc(?:_decl|_pattern%)?(?=[ \t\[])", re.M
)
_NATIVE = re.compile(r"\+native(?![\w'])")
_HIDDEN = re.compile(r"(?<![\w.'])open\s+private(?![\w'])")


def refusal(code: str) -> str:
    """Why the text may not run, or empty."""
    text = mask(code)
    if found := _FORBIDDEN.search(text):
        return _WORDS[found.group()]
    if found := _COMMANDS.search(text):
        word = found.group(1)
        return "uses #exit" if word == "exit" else "runs code while Lean elaborates: #eval"
    for attributes in _attribute_lists(text):
        if found := _FORBIDDEN_ATTRIBUTES.search(attributes):
            return f"uses the attribute {found.group()}"
    if found := _OPTION.search(text):
        return f"sets the option {found.group(1)}"
    if found := _NAMES.search(text):
        return f"uses {found.group(1)}"
    if _NATIVE.search(text):
        return "uses native_decide"
    if _PROCEDURE.search(text):
        return "runs code while Lean elaborates: simproc"
    if _HIDDEN.search(text):
        return "uses open private"
    return ""


def _attribute_lists(text: str) -> Iterator[str]:
    """What stands in the brackets of `@[…]` and `attribute […]`, brackets within them included. One pass."""
    depth = start = 0
    for bracket in _BRACKETS.finditer(text):
        if bracket[0] == "]":
            depth = max(0, depth - 1)
            if depth == 0 and start:
                yield text[start : bracket.start()]
                start = 0
        elif depth or bracket[0] != "[":
            start = start or bracket.end()
            depth += 1
    if start:
        yield text[start:]
