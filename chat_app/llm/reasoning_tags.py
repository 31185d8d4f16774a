"""Reasoning that a model writes into its text, between tags. Pure.

Servers without a parser for a model's reasoning leave `<think>…</think>` in the text. Some chat
templates write the opening tag into the prompt, so that only the closing one comes: then what
looked like text until there was reasoning. Only reasoning before the answer counts; a tag in the
middle of an answer, or in code, is text.

A closing tag without an opening one is text unless all of this holds: it is the first tag, in code
or not; it ends its line, or begins it and the answer follows directly; it is not in code, a
heading, a quote, a table or a list item of its own; at most `_MAX_BEFORE` characters came before,
among them no heading and no table. Lists and closed code blocks are common in reasoning, so they
decide nothing.
"""

import re

from chat_app.core.events import Event, ReasoningDelta, TextDelta, TextWasReasoning

_TAGS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<seed:think>": "</seed:think>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
}
_STARTS = ("<", "[", "◁")
_LONGEST = max(map(len, _TAGS.values()))
_MAX_HELD = 64
"""How many characters may wait for what follows them."""
_MAX_TAGS = 32
"""How many tags are looked for; an answer has one pair, seldom two."""
_MAX_BEFORE = 64_000
"""How many characters of reasoning without an opening tag may be shown as text at first."""

_FENCE = re.compile(r"\s*(`{3,}(?=[^`]*$)|~{3,})")
_BACKTICKS = re.compile("`+")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]")
_MARKUP = re.compile(r" {4}|\t| {0,3}(?:[#>|]|(?:[-*+]|\d{1,9}[.)])\s*$)")
"""The beginning of a line that is indented code, a heading, a quote, a table or an empty item."""
_LINE_END = re.compile(r"[ \t]*[\r\n]")


def _either(*tags: str) -> re.Pattern[str]:
    """Any of the tags, in any case; those in brackets would be Markdown links in another one."""
    cases = (f"(?-i:{re.escape(tag)})" if tag[0] == "[" else re.escape(tag) for tag in tags)
    return re.compile("|".join(cases), re.IGNORECASE)


_CLOSING_OF = {opening.lower(): _either(closing) for opening, closing in _TAGS.items()}
_OPENING = _either(*_TAGS)
_CLOSING = _either(*_TAGS.values())
_ANY = _either(*_TAGS, *_TAGS.values())


class ReasoningTags:
    """Tells the reasoning from the text in the pieces of one answer.

    Attributes:
        has_reasoning: Whether reasoning came; also set by who gets it beside the text.
    """

    def __init__(self) -> None:
        self.has_reasoning = False
        self.feed = self._begin
        self._held = ""
        self._closing = _CLOSING
        self._tags = 0
        self._began_text = False
        self._after_tag = False
        self._before = _TextBefore()

    def end(self) -> list[Event]:
        """The events of what still waits for the next piece."""
        held, self._held = self._held, ""
        if self.feed == self._reason:
            return self._reasoning(held.rstrip())
        if self.feed == self._look_for_closing and _CLOSING.fullmatch(held.rstrip(" \t")):
            return self._close("", "")
        if self.feed == self._begin and not held.strip():
            return []
        return self._text(held)

    def _begin(self, text: str) -> list[Event]:
        """The beginning of the text: a tag, or anything else."""
        text = self._held + text
        self._held = ""
        start = text.lstrip()
        if (not start or _is_cut_tag(start)) and len(text) <= _MAX_HELD:
            self._held = text
            return []
        if self._tags < _MAX_TAGS:
            if opening := _OPENING.match(start):
                self._tags += 1
                self._closing = _CLOSING_OF[opening[0].lower()]
                self.feed = self._reason
                return self._reason(start[opening.end() :])
            if closing := _CLOSING.match(start):
                self._tags += 1
                self._after_tag = True
                return self._begin(start[closing.end() :])
        if self._after_tag:
            text = start
        if self._after_tag or self.has_reasoning:
            self.feed = self._text
        else:
            self.feed = self._look_for_closing
        return self.feed(text)

    def _reason(self, text: str) -> list[Event]:
        """Between the tags."""
        text = self._held + text
        self._held = ""
        if closing := self._closing.search(text):
            self.feed = self._begin
            self._after_tag = True
            return [
                *self._reasoning(text[: closing.start()].rstrip()),
                *self._begin(text[closing.end() :]),
            ]
        kept = len(text[: _cut_tag_start(text)].rstrip())
        if len(text) - kept <= _MAX_HELD:
            text, self._held = text[:kept], text[kept:]
        return self._reasoning(text)

    def _look_for_closing(self, text: str) -> list[Event]:
        """Text that turns out to be reasoning if a closing tag stands behind it."""
        if self._held:
            text = self._held + text
            self._held = ""
        if "<" in text or "[" in text or "◁" in text:
            return self._look_at(text)
        return self._pass(text)

    def _look_at(self, text: str) -> list[Event]:
        tag = _ANY.search(text)
        if tag is None:
            cut = _cut_tag_start(text)
            self._held = text[cut:]
            return self._pass(text[:cut])
        before = text[: tag.start()]
        self._before.add(before)
        if _CLOSING.fullmatch(tag[0]) and self._before.can_be_reasoning:
            if len(text) - tag.start() <= _MAX_HELD and not text[tag.end() :].strip(" \t"):
                self._held = text[tag.start() :]
                return self._text(before)
            follows = text[tag.end()]
            begins_line = self._before.ends_line and not follows.isspace()
            if begins_line or _LINE_END.match(text, tag.end()):
                return self._close(before, text[tag.end() :])
        self.feed = self._text  # the answer is about tags
        return self._text(text)

    def _pass(self, text: str) -> list[Event]:
        self._before.add(text)
        if self._before.is_answer:
            self.feed = self._text
            text += self._held
            self._held = ""
        return self._text(text)

    def _close(self, before: str, rest: str) -> list[Event]:
        """What came before a closing tag is reasoning, also what was given as text."""
        if self._began_text:
            events: list[Event] = [*self._text(before), TextWasReasoning()]
        else:
            events = self._reasoning(before.rstrip())
        self.has_reasoning = self._after_tag = True
        self.feed = self._begin
        return [*events, *self._begin(rest)]

    def _text(self, text: str) -> list[Event]:
        if not text:
            return []
        self._began_text = True
        return [TextDelta(text)]

    def _reasoning(self, text: str) -> list[Event]:
        if not self.has_reasoning:
            text = text.lstrip()
        if not text:
            return []
        self.has_reasoning = True
        return [ReasoningDelta(text)]


class _TextBefore:
    """The text before the first tag: whether it can be reasoning.

    Attributes:
        is_answer: Whether it is no reasoning, whatever follows.
    """

    def __init__(self) -> None:
        self.is_answer = False
        self._length = 0
        self._line: list[str] = []  # the pieces of the last line
        self._fence = ""  # of the open code block
        self._backticks = 0  # runs of them in the lines of this paragraph

    def add(self, text: str) -> None:
        """The next piece."""
        self._length += len(text)
        if self._length > _MAX_BEFORE:
            self.is_answer = True
        if self.is_answer:
            return
        *ended, last = text.split("\n")
        for line in ended:
            self._end_line("".join((*self._line, line)))
            self._line.clear()
        if last:
            self._line.append(last)

    @property
    def ends_line(self) -> bool:
        """Whether what follows begins a line."""
        return not self._line

    @property
    def can_be_reasoning(self) -> bool:
        """Whether a closing tag that follows can be that of reasoning."""
        if self.is_answer or self._fence:
            return False
        line = "".join(self._line)
        in_code = (self._backticks + _runs_of_backticks(line)) % 2
        return not in_code and not _MARKUP.match(line)

    def _end_line(self, line: str) -> None:
        content = line.strip()
        if self._fence:
            if content.startswith(self._fence) and not content.strip(self._fence[0]):
                self._fence = ""
        elif fence := _FENCE.match(line):
            self._fence = fence[1]
            self._backticks = 0
        elif not content:
            self._backticks = 0  # code ends with its paragraph
        else:
            self._backticks += _runs_of_backticks(line)
            is_table = "|" in content and "--" in content and not content.strip("|:- \t")
            if is_table or _HEADING.match(line):
                self.is_answer = True


def _runs_of_backticks(text: str) -> int:
    return len(_BACKTICKS.findall(text)) if "`" in text else 0


def _is_cut_tag(text: str) -> bool:
    """Whether a text can be the beginning of a tag."""
    beginning = text.lower()
    return len(text) < _LONGEST and any(
        len(tag) > len(beginning) and tag.lower().startswith(beginning)
        for pair in _TAGS.items()
        for tag in pair
    )


def _cut_tag_start(text: str) -> int:
    """Where a tag begins that the end of the text may cut off; its length if there is none."""
    tail = max(0, len(text) - _LONGEST + 1)
    start = max(text.rfind(character, tail) for character in _STARTS)
    return start if start >= 0 and _is_cut_tag(text[start:]) else len(text)
