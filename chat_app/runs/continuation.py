"""Continue an answer that was cut off: which one can be, what the model is told, and how its
text is joined. Pure.

A model that goes on often repeats the last words, and seldom begins with the space that its text
would have had there.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from chat_app.core.events import (
    Event,
    NativeItemAdded,
    PartAdded,
    ReasoningDelta,
    TextDelta,
    TextResumed,
    TextWasReasoning,
    ToolCallDelta,
    Usage,
)
from chat_app.core.parts import Part, has_content, text_of
from chat_app.runs.calls import ModelCall

INSTRUCTION = (
    "Your last answer was cut off. Continue it exactly where it ended. "
    "Do not repeat what is there, and do not begin with a remark about it."
)
"""What a model is told after the answer that it continues; no message of the thread."""

_MAX_REPEAT = 400  # characters that may be repeated
_MIN_REPEAT = 10  # letters and digits among them; fewer may be no repetition
_SPACED = ",;:.!?)\"'*_`"  # what a word may follow after a space
_CJK = "\u2e80"  # from here on there are mostly scripts without spaces
_OF_THOUGHTS = (ReasoningDelta, NativeItemAdded, Usage)


def can_continue(role: str, status: str, reason: str, parts: Sequence[Part]) -> bool:
    """Whether a message is an answer with text that its model had not finished.

    Args:
        role: The message's.
        status: The message's.
        reason: Why it ended.
        parts: The message's.
    """
    is_cut = status in ("stopped", "interrupted", "revoked", "failed") or (
        status == "complete" and reason == "length"
    )
    is_refused = reason in ("content-filter", "size")
    return role == "assistant" and is_cut and not is_refused and bool(text_of(parts).strip())


class ContinuationJoiner:
    """Joins what a model adds to a text: without what it repeats, and with the space it left out.

    Args:
        before: The text so far.
    """

    def __init__(self, before: str) -> None:
        self._before = before[-_MAX_REPEAT:]
        self._held = ""
        self._is_joined = False

    def join(self, text: str) -> str:
        """What of the next piece of text is new; empty while that is not known."""
        if self._is_joined:
            return text
        self._held += text
        return "" if self._may_repeat_more() else self.rest()

    def rest(self) -> str:
        """What was held back, when no more text follows."""
        if self._is_joined or not self._held:
            return ""
        self._is_joined = True
        added = self._held.lstrip()
        repeated = max(
            (length for length in self._overlaps(added) if _is_telling(added[:length])), default=0
        )
        if repeated:
            return added[repeated:]
        return f" {self._held}" if self._needs_space(self._held[0]) else self._held

    def _may_repeat_more(self) -> bool:
        """Whether all of it so far is in the end of the text, with more behind it."""
        added = self._held.lstrip()
        at = self._before.find(added)
        while at >= 0:
            if at + len(added) < len(self._before):
                return True
            at = self._before.find(added, at + 1)
        return False

    def _overlaps(self, added: str) -> list[int]:
        longest = min(len(added), len(self._before))
        return [length for length in range(1, longest + 1) if self._before.endswith(added[:length])]

    def _needs_space(self, first: str) -> bool:
        last = self._before[-1:]
        is_word = first.isalpha() and first < _CJK
        return is_word and ((last.isalpha() and last < _CJK) or last in tuple(_SPACED))


def _is_telling(text: str) -> bool:
    return sum(letter.isalnum() for letter in text) >= _MIN_REPEAT


async def joined(events: ModelCall, before: Sequence[Part]) -> AsyncGenerator[Event]:
    """What a model adds to an answer, so that its text follows that of the answer.

    Its first text goes on in the last text part of the answer: a notice, a summary or reasoning
    that came between them stands behind the whole text, and not in the middle of a sentence.

    Args:
        events: The call of the model; it is closed with this stream.
        before: What the answer has.
    """
    joiner = ContinuationJoiner(text_of(before))
    resumes = not has_content(_behind_text(before))
    # a thought that goes on is no longer word for word what its provider would get back
    may_be_half = bool(before) and before[-1]["type"] == "reasoning"
    async with aclosing(events):
        async for event in events:
            may_be_half = may_be_half and isinstance(event, _OF_THOUGHTS)
            if isinstance(event, TextWasReasoning):
                continue  # it would take what the answer had for reasoning, too
            if may_be_half and isinstance(event, NativeItemAdded):
                continue
            is_text = isinstance(event, TextDelta)
            if text := joiner.join(event.text) if is_text else joiner.rest():
                if resumes:
                    yield TextResumed()
                resumes = False
                yield TextDelta(text)
            if not is_text:
                resumes = resumes and not _is_content(event)
                yield event
    if text := joiner.rest():
        if resumes:
            yield TextResumed()
        yield TextDelta(text)


def _behind_text(parts: Sequence[Part]) -> Sequence[Part]:
    """The parts behind the last text."""
    texts = [index for index, part in enumerate(parts) if part["type"] == "text"]
    return parts[texts[-1] + 1 :] if texts else parts


def _is_content(event: Event) -> bool:
    """Whether an event begins a part behind which a text is another one."""
    match event:
        case ToolCallDelta():
            return True
        case PartAdded(part):
            return has_content([part])
        case _:
            return False
