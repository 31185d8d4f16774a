"""Reasoning that a model writes into its text, between tags. Pure.

Servers without a parser for a model's reasoning leave `<think>…</think>` in the text. Some chat
templates write the opening tag into the prompt, so that only the closing one comes: then what
looked like text until there was reasoning. Only reasoning before the answer counts; a tag in the
middle of an answer, or in code, is text.
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
        self._backticks = 0
        self._at_line_start = True

    def end(self) -> list[Event]:
        """The events of what still waits for the next piece."""
        held, self._held = self._held, ""
        if self.feed == self._reason:
            return self._reasoning(held.rstrip())
        if self.feed == self._look_for_closing and _CLOSING.fullmatch(held):
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
        self._backticks += text.count("`")
        self._at_line_start = text.endswith("\n")
        self._began_text = True
        return [TextDelta(text)]

    def _look_at(self, text: str) -> list[Event]:
        backticks, counted = self._backticks, 0
        for tag in _ANY.finditer(text):
            backticks += text.count("`", counted, tag.start())
            counted = tag.start()
            if backticks % 2:
                continue  # in code
            if _OPENING.fullmatch(tag[0]):
                self.feed = self._text  # the answer is about tags
                return self._text(text)
            before, rest = text[: tag.start()], text[tag.end() :]
            begins_line = before.endswith("\n") if before else self._at_line_start
            if begins_line or rest.startswith(("\n", "\r")):
                return self._close(before, rest)
            if not rest:
                self._held = tag[0]
                return self._pass(before)
        cut = _cut_tag_start(text)
        self._held = text[cut:]
        return self._pass(text[:cut])

    def _pass(self, text: str) -> list[Event]:
        if text:
            self._backticks += text.count("`")
            self._at_line_start = text.endswith("\n")
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
