"""Snippets: the line of a text around what was searched for, as pieces and never as HTML. Pure."""

import math
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from chat_app.core.search_tokens import Phrase, Token, tokens_of

_SNIPPET = 160  # characters
_LEAD = 48  # of them, before the first hit
_SCANNED = 200_000  # characters of a message; beyond, its beginning is shown
_SPACES = re.compile(r"\s+")
_MARKUP = re.compile(
    r"^[ \t|:]*+---[ \t|:-]*+$"  # below the head of a table
    r"|[*`|]+|~~|^[ \t]*(?:#{1,6}|>|[-+])[ \t]",
    re.M,
)


@dataclass(frozen=True, slots=True)
class SnippetPart:
    """A piece of a snippet; `is_hit` if it is what was searched for."""

    text: str
    is_hit: bool


def snippet(text: str, phrases: Sequence[Phrase]) -> list[SnippetPart]:
    """A line of a text around the first hit, with every hit in it marked.

    Args:
        text: A message or a title.
        phrases: What was searched for.
    """
    text = _MARKUP.sub(_blank, text[:_SCANNED])
    marks = _joined(_marks(text, phrases))
    first = marks[0][0] if marks else 0
    start = _word_start(text, first - _LEAD)
    end = min(len(text), max(start + _SNIPPET, marks[0][1] if marks else 0))
    parts = list[SnippetPart]()
    at = start
    for begin, until in marks:
        if begin >= end:
            break
        parts += [
            SnippetPart(_plain(text[at:begin]), False),
            SnippetPart(_plain(text[begin:until]), True),
        ]
        at = until
    parts.append(SnippetPart(_plain(text[at : max(at, end)]), False))
    if start > 0 and parts:
        parts.insert(0, SnippetPart("…", False))
    if max(at, end) < len(text):
        parts.append(SnippetPart("…", False))
    return _merged(parts)


def _marks(text: str, phrases: Sequence[Phrase]) -> Iterator[tuple[int, int]]:
    """Where phrases stand in a text, from the first that stands there as far as a snippet goes."""
    by_first: dict[str, list[Phrase]] = {}
    for phrase in phrases:
        # the first of these tokens is only the end, or the beginning, of one in the text
        is_piece = phrase.opens or (phrase.closes and len(phrase.tokens) == 1)
        by_first.setdefault("" if is_piece else phrase.tokens[0], []).append(phrase)
    longest = max((len(phrase.tokens) for phrase in phrases), default=1)
    tokens = tokens_of(text)
    window = deque(islice(tokens, longest))
    end = math.inf
    while window and window[0].start < end:
        for phrase in (*by_first.get(window[0].text, ()), *by_first.get("", ())):
            part = list(islice(window, len(phrase.tokens)))
            if len(part) == len(phrase.tokens) and _stands(phrase, part):
                span = _span(phrase, part)
                end = min(end, span[0] + _SNIPPET)
                yield span
        window.popleft()
        window.extend(islice(tokens, 1))


def _stands(phrase: Phrase, window: Sequence[Token]) -> bool:
    last = len(window) - 1
    for place, (token, wanted) in enumerate(zip(window, phrase.tokens, strict=True)):
        if token.text == wanted:
            continue
        is_end = place == 0 and phrase.opens and token.text.endswith(wanted)
        is_begin = place == last and phrase.closes and token.text.startswith(wanted)
        if not (is_end or is_begin):
            return False
    return True


def _span(phrase: Phrase, window: Sequence[Token]) -> tuple[int, int]:
    """From the first to the last character that is searched for."""
    first, last = window[0], window[-1]
    start = first.end - 1 if phrase.opens and first.text != phrase.tokens[0] else first.start
    end = last.start + 1 if phrase.closes and last.text != phrase.tokens[-1] else last.end
    return (start, end) if start < end else (first.start, last.end)


def _joined(marks: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Marks that touch each other as one."""
    joined = list[tuple[int, int]]()
    for begin, end in sorted(marks):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _word_start(text: str, at: int) -> int:
    """Where a word begins at a place or soon after it."""
    if at <= 0:
        return 0
    space = _SPACES.search(text, at, at + _LEAD // 2)
    return space.end() if space else at


def _blank(markup: re.Match[str]) -> str:
    """Spaces in place of Markdown that would stand out; everything else keeps its place."""
    return " " * len(markup[0])


def _plain(text: str) -> str:
    """A piece of a text on one line."""
    return _SPACES.sub(" ", text)


def _merged(parts: Sequence[SnippetPart]) -> list[SnippetPart]:
    """The parts without empty ones, and neighbours of one kind as one."""
    merged = list[SnippetPart]()
    for part in parts:
        if not part.text:
            continue
        if merged and merged[-1].is_hit == part.is_hit:
            merged[-1] = SnippetPart(merged[-1].text + part.text, part.is_hit)
        else:
            merged.append(part)
    return merged
