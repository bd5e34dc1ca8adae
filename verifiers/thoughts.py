"""A model's text in two parts, thought and answer, and whether it was cut off: one rule for every reader of texts.

What counts:
- A mark is known by its brackets and its name: a tag, a token, or a word in brackets whose name holds a word for
  thinking, and the styles below that have marks of another form. A fenced block that calls itself thinking is thought.
- An opening mark counts at the beginning of the text, behind a closing mark, and at the beginning of a line that is not
  inside a fenced block. It may also be the prompt's: then the stored text carries it (`opening_mark_of_prompt`).
- A closing mark ends the thought of its style wherever it stands, but for the inside of a fenced block. Everything
  before the last closing mark is thought, with or without an opening mark.
- A mark inside a fenced block that never ends counts against the answer: where such a thought ends cannot be told.
- A thought that is open at the end of the text leaves no answer, whatever the finish reason: models also stop there.
- A text is cut off when its finish reason is anything but `stop`; without one the text alone decides.

Promises: pure; linear in the text; nothing of an open thought is ever in `Split.answer`.
Does not: judge whether an answer is complete (each kind knows what ends its answers), or read prose: a mark that a
sentence quotes in the middle of a line is a word like others.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from verifiers import fences
from verifiers.finish_reasons import Finish, map_finish_reason

UNENDED = "the thinking never ends"
MAX_INDENT = 1000
"""Blanks in front of a mark that are looked at."""


@dataclasses.dataclass(frozen=True, slots=True)
class Style:
    """How one family of models marks its thoughts. The patterns have no groups, lookarounds or unbounded repeats."""

    name: str
    opening: str
    closing: str
    example: tuple[str, str]
    """The marks as models write them most often."""
    anywhere: bool = False
    """The opening mark is a special token that no prose has: it counts in the middle of a line too."""
    at_start_only: bool = False
    """The opening mark is ordinary words, which count at the beginning of the text only."""
    closes_alone: bool = True
    """The closing mark tells that a thought went before it even where nothing opened one."""
    tag: str = ""
    """Pattern of the name, where the marks are tags."""


_TAG_END = r"(?::[^\s<>]{0,40})?\s{0,8}"
_TAG_ATTRIBUTES = r"(?:[ \t][^<>\n]{0,80})?"
_TAG_SLASH = r"[ \t]{0,2}/[ \t]{0,2}"
_LT = r"(?:\\?<|&lt;|＜)"
"""How a tag begins: as itself, escaped for Markdown or HTML, or in full width."""
_GT = r"(?:/?\\?>|/?&gt;|/?＞)"

# Names of thoughts in general: words joined by signs, one of which is a word for thinking. Models and templates make
# new ones all the time, so a list of whole names cannot keep up.
_WORD = (
    r"(?:ant|inner|self|deep|internal)?(?:think(?:ing|s)?|thoughts?|reason(?:ing|s)?|rationales?|scratch(?:[_-]?pads?)?|"
    r"monologues?|reflect(?:ions?|ing)?|cot|working|brainstorm(?:ing)?|ponder(?:ing)?|deliberat(?:e|ion|ing))"
    r"(?:process|chain|trace|steps?)?"
)
_NAME = rf"(?:[a-z0-9]{{1,20}}[_:.-]){{0,4}}{_WORD}(?:[_.-][a-z0-9]{{1,20}}){{0,4}}"
_WIDE_NAME = rf"(?:[a-z0-9]{{1,20}}[_▁ :.-]){{0,4}}{_WORD}(?:[_▁ :.-][a-z0-9]{{1,20}}){{0,4}}"
_PLAIN_NAME = (
    r"(?:plan|draft|internal|critique|notes?|hypothesis|attempt|try|steps?|verify|verification|cogito|brain|search|"
    r"tool_(?:calls?|code|response))"
)
"""Names of tags that are ordinary words: their closing mark alone tells nothing."""


def _tag(name: str, pattern: str = "") -> Style:
    """`<name>…</name>`; models and templates add attributes, a suffix behind a colon, and white space."""
    pattern = pattern or re.escape(name)
    opening = f"{_LT}[ \\t]{{0,2}}{pattern}{_TAG_END}{_TAG_ATTRIBUTES}{_GT}"
    closing = f"{_LT}{_TAG_SLASH}{pattern}{_TAG_END}{_GT}"
    return Style(name, opening, closing, (f"<{name}>", f"</{name}>"), tag=pattern)


def _pair(name: str, opening: str, closing: str) -> Style:
    return Style(name, re.escape(opening), re.escape(closing), (opening, closing))


_CHANNEL = r"(?:<\|start\|>assistant)?<\|channel\|>"
_TO = r"[^<>\n]{0,80}(?:<\|constrain\|>[^<>\n]{0,40})?"

STYLES: tuple[Style, ...] = (
    _tag("think"),
    _tag("thinking"),
    _tag("thought", "thoughts?"),
    _tag("reasoning", "reason(?:ing)?"),
    _tag("reflection"),
    _tag("scratchpad"),
    _tag("analysis"),
    _tag("inner_monologue", "inner[_ ]monologue"),
    _tag("chain_of_thought", "(?:chain[_-]of[_-]thought|cot)"),
    _tag("思考"),
    _tag("seed:think"),
    _tag("mm:think"),
    _tag("ifm|think", r"ifm\|think(?:_faster|_fast)?"),
    Style("[THINK]", r"\[THINK\]", r"\[/THINK\]", ("[THINK]", "[/THINK]")),
    _pair("◁think▷", "◁think▷", "◁/think▷"),
    Style("<|think|>", r"<\|think(?:ing)?\|>", r"<\|/think(?:ing)?\|>", ("<|think|>", "<|/think|>")),
    Style(
        "begin_of_thought",
        r"<\|(?:begin|start)_of_thought\|>",
        r"<\|end_of_thought\|>",
        ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ),
    _pair("START_THINKING", "<|START_THINKING|>", "<|END_THINKING|>"),
    _pair("plamo", "<|plamo:begin_think:plamo|>", "<|plamo:end_think:plamo|>"),
    _pair("pangu", "[unused16]", "[unused17]"),
    _pair("kimi_k3", "<|open|>think<|sep|>", "<|close|>think<|sep|>"),
    Style(
        "inkling",
        r"(?:<\|message_model\|>)?<\|content_thinking\|>",
        r"(?:<\|message_model\|>)?<\|content_text\|>",
        ("<|message_model|><|content_thinking|>", "<|end_message|><|message_model|><|content_text|>"),
        anywhere=True,
    ),
    Style(
        "gemma",
        r"<\|channel>(?:thought)?",
        r"<channel\|>",
        ("<|channel>thought\n", "<channel|>"),
        anywhere=True,
    ),
    # Every channel but `final` is thought: what a model says to a tool is no answer either.
    Style(
        "harmony",
        rf"{_CHANNEL}(?:analysis|commentary){_TO}<\|message\|>",
        rf"{_CHANNEL}final{_TO}<\|message\|>",
        ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
        anywhere=True,
    ),
    # The same where a decoder dropped the special tokens and left the words.
    Style(
        "harmony, bare",
        r"(?-i:analysis[A-Za-z0-9\"'(\[*$\\]|analysis[ \t]{0,8}\n|assistant(?:analysis|commentary))",
        r"assistant(?:channel)?final",
        ("analysisWe", "assistantfinal"),
        at_start_only=True,
    ),
    Style(
        "glimmer",
        r"to=self<\|message\|>",
        r"to=user<\|message\|>",
        ("to=self<|message|>", "<|eom|>to=user<|message|>"),
        anywhere=True,
    ),
    Style("unused94", r"<unused94>(?:thought)?", r"<unused95>", ("<unused94>thought\n", "<unused95>"), anywhere=True),
    Style("sot", r"<\|sot\|>", r"<\|eot\|>", ("<|sot|>", "<|eot|>"), closes_alone=False),
    # What chat pages fold away.
    Style(
        "details",
        r"<details(?:[ \t][^<>\n]{0,80}type=\"reasoning\"[^<>\n]{0,80}>|[^<>\n]{0,80}>\s{0,8}<summary>[^<>\n]{0,40}"
        r"(?:think|thought|reason|chain)[^<>\n]{0,40}</summary>)",
        r"</details>",
        ("<details><summary>Thinking</summary>", "</details>"),
        closes_alone=False,
    ),
    _pair("s1", "<|im_start|>think", "<|im_start|>answer"),
    Style(
        "granite",
        r"here(?:'s| is) my thought process:",
        r"here(?:'s| is) my response:",
        ("Here is my thought process:", "Here is my response:"),
        at_start_only=True,
        closes_alone=False,
    ),
)
BY_NAME = {style.name: style for style in STYLES}

# Any thought by its name, in four kinds of brackets. A slash, or a word such as `end`, closes it.
_ANY_TAG = rf"{_LT}[ \t]{{0,2}}(?:/[ \t]{{0,2}})?(?:{_NAME}|{_PLAIN_NAME}){_TAG_END}{_TAG_ATTRIBUTES}{_GT}"
_ANY_TOKEN = rf"<[|｜][ \t]{{0,2}}(?:/[ \t]{{0,2}})?{_WIDE_NAME}[ \t]{{0,2}}[|｜]>"
_ANY_BRACKET = rf"\[/?(?-i:{_WIDE_NAME.replace(_WORD, _WORD.upper()).replace('a-z', 'A-Z')})\]"
_ANY_TRIANGLE = rf"◁[ \t]{{0,2}}/?{_WIDE_NAME}▷"
_ANY = (_ANY_TAG, _ANY_TOKEN, _ANY_BRACKET, _ANY_TRIANGLE)

MARKS = "|".join([*(f"{style.opening}|{style.closing}" for style in STYLES), *_ANY])
"""Every mark as one pattern that RE2 reads too. Case does not matter."""
MAY_HOLD_MARK = r"[<\[◁＜]|&lt;|analysis|assistant|here(?:'s| is) my|to=(?:self|user)"
"""What no text lacks that holds a mark. RE2 passes over a text with it a hundred times as fast as with `MARKS`. Case
does not matter."""


@dataclasses.dataclass(frozen=True, slots=True)
class Split:
    """A text in two parts. `text[answer_start : answer_start + len(answer)]` is the answer."""

    thought: str
    answer: str
    """Without the marks and tokens that end a turn. Empty where a thought is open."""
    answer_start: int = 0
    style: str = ""
    """Name of the style of the last thought; empty where the text has none."""
    opened: bool = False
    closed: bool = False
    open_at_end: bool = False
    """A thought is open at the end of the text, so that nothing of it is an answer."""
    cut: bool = False
    """The finish reason is anything but `stop`."""
    in_fence: bool = False
    """The answer ends inside a fenced block."""
    finish: str = ""
    """`Finish.name`"""
    unknown_reason: str = ""
    """`Finish.unknown`"""

    def unreadable(self) -> str:
        """Why nothing of the text may be read as an answer, or an empty string."""
        if self.open_at_end:
            return UNENDED
        if self.cut and self.in_fence:
            return self.cut_off("inside a fenced block")
        return ""

    def cut_off(self, where: str) -> str:
        """The reason of a text that was cut off before its answer was complete."""
        return f"cut off {where}" + ("" if self.unknown_reason else f" (finish reason {self.finish})")


def _compile() -> tuple[re.Pattern[str], dict[str, tuple[Style, bool]]]:
    """One pattern for all marks, and what its groups mean: the style, and whether the mark opens.

    Tags share two groups. Guards in front of the alternatives let a flood of one character pass quickly.
    """
    groups: dict[str, tuple[Style, bool]] = {}
    branches: dict[str, list[str]] = {}
    # A closing mark goes first: some opening marks are the beginnings of closing ones.
    for opens in (False, True):
        for style in STYLES:
            if style.tag:
                continue
            name = f"m{len(groups)}"
            groups[name] = (style, opens)
            pattern = style.opening if opens else style.closing
            lead = next(lead for lead in _LEADS if re.sub(r"^\(\?(?:-i)?:", "", pattern).startswith(lead))
            branches.setdefault(lead, []).append(f"(?P<{name}>{pattern})")
    names = "|".join(style.tag for style in STYLES if style.tag)
    opening = f"[ \\t]{{0,2}}(?P<opening>{names}){_TAG_END}{_TAG_ATTRIBUTES}{_GT}"
    closing = f"{_TAG_SLASH}(?P<closing>{names}){_TAG_END}{_GT}"
    parts = [f"{_LT}(?=[ \\t/a-z思])(?:{opening}|{closing})"]
    parts += [f"(?={lead})(?:{'|'.join(branch)})" for lead, branch in branches.items()]
    parts += [f"(?P<any{number}>{pattern})" for number, pattern in enumerate(_ANY)]
    return re.compile("|".join(parts), re.IGNORECASE), groups


_LEADS = (r"<\|", "<c", "<u", "<d", "</d", r"\[", "◁", "a", "here", "to=")
"""How the patterns of marks that are no tags begin."""
_MARK, _GROUPS = _compile()
_MAY_BEGIN = re.compile(
    r"[<&＜\\\[◁AaHhTt](?:(?<=[<＜\[◁])|(?<=&)(?=(?i:lt;))|(?<=\\)(?=<)|(?<=[Aa])(?=(?i:nalysis|ssistant))|"
    r"(?<=[Hh])(?=(?i:ere))|(?<=[Tt])(?=(?i:o=)))"
)
"""How a mark begins. It begins itself with a set of characters, so that a long text is passed over quickly."""


@functools.lru_cache(maxsize=256)
def _style_of_tag(name: str) -> Style | None:
    return next((style for style in STYLES if style.tag and re.fullmatch(style.tag, name, re.IGNORECASE)), None)


@functools.lru_cache(maxsize=1024)
def _read_any(mark: str) -> tuple[Style, bool]:
    """The style of a mark that only the general patterns know, and whether it opens."""
    mark = mark.lower().replace("&lt;", "<").replace("&gt;", ">")
    bracket = next((sign for sign in ("<|", "<｜", "[", "◁") if mark.startswith(sign)), "<").replace("｜", "|")
    match = _NAMES.search(mark)
    words = re.split(r"[_▁ :.-]", match[0] if match else mark)
    closes = "/" in mark[: match.start() if match else 0]
    for place in (0, -1):
        if len(words) > 1 and words[place] in _SIDES:
            closes = closes or words.pop(place) in _ENDS
            if words[0] == "of":
                del words[0]
    name = "_".join(words)
    if bracket == "<" and (known := _style_of_tag(name)):
        return known, not closes
    is_plain = re.fullmatch(_PLAIN_NAME, name) is not None
    return Style(f"{bracket} {name}", "", "", ("", ""), closes_alone=not is_plain), not closes


_NAMES = re.compile(f"{_WIDE_NAME}|{_PLAIN_NAME}", re.IGNORECASE)
_ENDS = frozenset({"end", "stop", "finish", "close"})
_SIDES = _ENDS | {"begin", "start", "open"}

_HINT = re.compile(
    r"[<\[◁＜&FfAaHh`~](?:(?<=[<\[◁＜])|(?<=&)(?i:lt;)|(?<=[Ff])(?i:inal)|(?<=[Aa])(?i:(?<!\w\w)nalysis|ssistant)|"
    r"(?<=[Hh])(?<!\w\w)(?i:ere)|(?:(?<=`)``|(?<=~)~~)[ \t]{0,8}[A-Za-z])"
)
"""What no text lacks that holds a mark or a fence with a name."""
_THINKING_FENCE = re.compile(rf"[ \t]{{0,8}}(?:{_NAME}|analysis)\b", re.IGNORECASE)
"""What a fence says of its block, where the block is a thought."""
_TURN = re.compile(r"(?:\s|<[|｜][^<>|｜\n]{1,40}[|｜]>|<start_of_turn>|assistant|model|<s>)*+")
"""What a template puts in front of a turn. Before a mark it is like white space."""

_END_TOKENS = (
    *("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|end|>", "<|return|>", "<|eot|>"),
    *("<|eom|>", "<|end_of_turn|>", "<|endofturn|>", "[|endofturn|]", "<end_of_turn>", "<turn|>", "<eos>", "</s>"),
    *("<|END_OF_TURN_TOKEN|>", "<|END_RESPONSE|>", "<|end_message|>", "<|end_of_solution|>"),
    *(
        "<|close|>response<|sep|>",
        "<｜end▁of▁sentence｜>",
        "<|end_of_sentence|>",
        "<seed:eos>",
        "[EOS]",
        "<pad>",
        "<|pad|>",
        "[PAD]",
        "<|user|>",
    ),
    *("<|close|>message<|sep|>", "<|endofprompt|>", "<|eos|>", "</response>"),
)
"""What ends a turn. Behind an answer it is no part of it."""
MAX_END_TOKENS = 64
"""Tokens that end a turn which are taken from the end of one text."""
MAX_END_TOKEN_CHARS = 50
_SPECIAL_TOKEN = re.compile(
    r"(?:<\|[^\s<>|][^<>|\n]{0,40}\|>|<\|\w{1,30}>|<\uff5c[^<>\uff5c\n]{1,40}\uff5c>|</s>|<eos>|<end_of_turn>|\[(?:EOS|/INST)\])\Z"
)
"""A special token of any tokenizer, by its form. `_END_TOKENS` are those that `split` takes away itself."""
_START_TOKENS = (
    *("<|begin_of_solution|>", "<|START_RESPONSE|>", "<|open|>response<|sep|>", "<|content_text|>", "<response>"),
)
"""What some models put between their thought and their answer."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Event:
    start: int
    end: int
    style: Style | None = None
    """None: a line that begins or ends a fenced block."""
    opens: bool = False
    run: str = ""
    """The fence's own characters."""
    info: str = ""


def split(text: str, finish_reason: str | None = None, style: str | None = None) -> Split:
    """The thought and the answer of `text`. `style` names a thought that the prompt opened and the text does not carry.

    Raises KeyError for a style that is not known.
    """
    finish = map_finish_reason(finish_reason)
    scan = _Scan(text, BY_NAME[style] if style is not None else None)
    if scan.inside is not None or _HINT.search(text):
        for event in _events(text):
            scan.see(event)
    elif finish.cut:
        for event in _fences(text):
            scan.see(event)
    return scan.result(finish)


class _Scan:
    """Follows the marks of a text from its beginning to its end."""

    def __init__(self, text: str, inside: Style | None) -> None:
        self.text = text
        self.inside = inside
        """The style of the thought that is open."""
        self.last = inside
        self.opened = inside is not None
        self.closed = False
        self.fence = ""
        self.answer_start = 0
        self.at_start = 0
        """Only white space separates this place from where an answer may begin."""
        self.mark_end = -1
        """Where the last mark ended that counted."""
        self.hidden = False
        """A mark stands inside the fenced block that is open, or the block itself is a thought."""
        self.depth = 0
        """Fenced blocks that are open inside one another where the outermost is a thought; otherwise 0."""

    def see(self, event: _Event) -> None:
        if event.style is None:
            self._see_fence(event)
        elif self.fence:
            self.hidden = self.hidden or not event.opens or self._begins_line(event.start)
        elif not event.opens:
            if event.style == self.inside or (self.inside is None and event.style.closes_alone):
                self.inside, self.last, self.closed = None, event.style, True
                self.answer_start = self.at_start = self.mark_end = event.end
        elif self.inside is None and self._counts(event.start, event.style):
            self.inside = self.last = event.style
            self.opened, self.mark_end = True, event.end

    def _see_fence(self, event: _Event) -> None:
        if event.start not in (0, self.mark_end) and self.text[event.start - 1] != "\n":
            return
        info = event.info.strip()
        if self.depth:
            self.depth += 1 if info else -1
            if not self.depth:
                self.fence, self.hidden, self.closed = "", False, True
                self.answer_start = self.at_start = event.end
            return
        if not self.fence:
            if self.inside is None and _THINKING_FENCE.match(info):
                self.fence, self.hidden, self.depth, self.opened = event.run, True, 1, True
                return
            # A mark behind three backticks is no info string: the line ends a block that was never begun.
            if not _MARK.search(event.info):
                self.fence, self.hidden = event.run, False
            return
        # "```</think>" ends the block and then the thought.
        if event.run.startswith(self.fence) and (not info or _MARK.match(info)):
            self.fence, self.hidden = "", False

    def _counts(self, start: int, style: Style) -> bool:
        if style.anywhere or self._is_blank(self.at_start, start):
            return True
        return not style.at_start_only and self._begins_line(start)

    def _begins_line(self, start: int) -> bool:
        return self._is_blank(self.text.rfind("\n", max(0, start - MAX_INDENT), start) + 1, start)

    def _is_blank(self, begin: int, end: int) -> bool:
        """Looks only at the end of a long stretch, so that many marks on one line cost no more than one each."""
        before = self.text[max(begin, end - MAX_INDENT) : end].strip()
        return not before or _TURN.fullmatch(before) is not None

    def result(self, finish: Finish) -> Split:
        is_open = self.inside is not None or (bool(self.fence) and self.hidden)
        length = len(self.text)
        start, end = (length, length) if is_open else _trimmed(self.text, self.answer_start)
        return Split(
            thought=self.text if is_open else self.text[: self.answer_start],
            answer=self.text[start:end],
            answer_start=start,
            style=self.last.name if self.last else "",
            opened=self.opened,
            closed=self.closed,
            open_at_end=is_open,
            cut=finish.cut,
            in_fence=bool(self.fence),
            finish=finish.name,
            unknown_reason=finish.unknown,
        )


def _found(text: str) -> Iterator[re.Match[str]]:
    """The marks in order. Only where one may begin is looked for one: most characters of a text begin none."""
    end = 0
    for begin in _MAY_BEGIN.finditer(text):
        if begin.start() >= end and (match := _MARK.match(text, begin.start())):
            yield match
            end = match.end()


def _marks(text: str) -> Iterator[_Event]:
    for match in _found(text):
        group = str(match.lastgroup)
        if group.startswith("any"):
            style, opens = _read_any(match[0])
        else:
            style, opens = _GROUPS.get(group) or (
                _style_of_tag(match[group].lower()) or BY_NAME["think"],
                group == "opening",
            )
        yield _Event(match.start(), match.end(), style, opens)


def _fences(text: str) -> Iterator[_Event]:
    for fence in fences.lines(text):
        yield _Event(fence.start, fence.end, run=fence.run, info=fence.info)


def _events(text: str) -> Iterator[_Event]:
    """Marks and fences in the order of the text. A fence's own line comes before the marks on it."""
    lines = _fences(text)
    fence = next(lines, None)
    for mark in _marks(text):
        while fence is not None and fence.start <= mark.start:
            yield fence
            fence = next(lines, None)
        yield mark
    while fence is not None:
        yield fence
        fence = next(lines, None)


def _trimmed(text: str, start: int) -> tuple[int, int]:
    """The answer from `start` on, without what models put before it and what ends a turn."""
    answer = text[start:]
    begin = start + len(answer) - len(answer.lstrip())
    for token in _START_TOKENS:
        if text.startswith(token, begin):
            start = begin + len(token)
            break
    end = len(text)
    for _ in range(MAX_END_TOKENS):
        last = start + len(text[start:end].rstrip())
        token = next((token for token in _END_TOKENS if text.endswith(token, start, last)), "")
        if not token:
            break
        end = last - len(token)
    return start, end


def without_end_tokens(text: str, *tags: str) -> str:
    """The text without the special tokens at its end, which are no part of what the model says, and without the tags
    at its end whose names are given (`answer` for `</answer>`)."""
    closing = tuple(f"</{tag}>" for tag in tags)
    for _ in range(MAX_END_TOKENS):
        kept = text.rstrip()
        token = _SPECIAL_TOKEN.search(kept, max(0, len(kept) - MAX_END_TOKEN_CHARS))
        tag = next((tag for tag in closing if kept.endswith(tag)), "")
        if token is None and not tag:
            break
        text = kept[: token.start() if token else -len(tag)].rstrip()
    return text


class PromptTail(NamedTuple):
    """What the end of a rendered prompt says of a thought."""

    opening: str = ""
    """What it puts before the answer where it leaves a thought open: a mark, and words behind it."""
    is_closed: bool = False
    """Whether it has a thought that is closed already, as templates write where thinking is switched off."""


def opening_mark_of_prompt(prompt: str, before: str = "") -> str:
    """`PromptTail.opening`, see read_prompt_tail."""
    return read_prompt_tail(prompt, before).opening


def read_prompt_tail(prompt: str, before: str = "") -> PromptTail:
    """Reads the end of a rendered prompt.

    `before` is the same conversation rendered without the turn that is to be written. With it everything that the
    template adds is read (a mark and words behind it). Without it only a mark at the very end of the prompt counts,
    since a message may quote one.
    """
    start = len(before) if before and prompt.startswith(before) else None
    tail_start = start if start is not None else max(0, len(prompt) - 400)
    tail = prompt[tail_start:]
    opening: _Event | None = None
    closing: _Event | None = None
    for event in _marks(tail):
        if event.opens and event.style is not None and not event.style.at_start_only:
            opening, closing = event, None
        elif not event.opens and (opening is None or event.style is opening.style):
            opening, closing = None, event
    last = opening or closing
    if last is None or (start is None and tail[last.end :].strip()):
        return PromptTail()
    return PromptTail(tail[last.start :]) if opening else PromptTail(is_closed=True)


def special_marks(tokens: Iterable[str]) -> list[str]:
    """Those of a tokenizer's special tokens that belong to marks: a decoder that drops them loses the thought's end."""
    known = "|".join(re.escape(part) for part in ("<|channel|>", "<|message|>", "<|channel>", "<channel|>", "<|sep|>"))
    part = re.compile(f"{MARKS}|{known}|<\\|content_(?:thinking|text)\\|>", re.IGNORECASE)
    return sorted(token for token in tokens if part.fullmatch(token.strip()))
