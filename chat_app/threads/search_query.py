"""Search queries: words, quoted phrases and filters (`title:`, `role:`, `before:`). Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from chat_app.core.errors import InvalidInput
from chat_app.core.search_tokens import Phrase, normalised, phrase_of
from chat_app.core.text import visible_line

MAX_QUERY = 200
"""The longest query, in characters."""
MAX_WORDS = 32
"""The most words and phrases in a query: each is looked for in every text that is found."""

_WORD = re.compile(
    r"(?:(?P<name>title|role|before|after):)?"
    r'(?:["\u201c\u201d](?P<quoted>[^"\u201c\u201d]*)["\u201c\u201d]?|(?P<word>[^\s"\u201c\u201d]*))',
    re.I,
)
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?")
_ROLES = {"user": "user", "me": "user", "you": "user", "assistant": "assistant"}


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What a user is looking for.

    Args:
        words: What the title is scanned for: the words and quoted phrases, and those of `title:`.
        phrases: The words and quoted phrases that a message or a title has.
        title_phrases: Those that the thread's title has (`title:`).
        role: Only messages of this role (`role:`); empty for all.
        after: Only what was written at this time or later (`after:`).
        before: Only what was written before this time (`before:`).
    """

    words: tuple[str, ...] = ()
    phrases: tuple[Phrase, ...] = ()
    title_phrases: tuple[Phrase, ...] = ()
    role: str = ""
    after: datetime | None = None
    before: datetime | None = None

    @property
    def is_searchable(self) -> bool:
        """Whether the texts are searched: one-letter words alone are in nearly every one."""
        return any(not phrase.is_short for phrase in self.phrases or self.title_phrases)

    def names(self, title: str, updated_at: datetime) -> bool:
        """Whether a scan of the titles finds a thread.

        Args:
            title: The thread's title.
            updated_at: When the thread was last written in.
        """
        folded = normalised(title)
        return (
            not self.role
            and all(normalised(word) in folded for word in self.words)
            and (self.after is None or updated_at >= self.after)
            and (self.before is None or updated_at < self.before)
        )


EVERYTHING = SearchQuery()
"""The query that leaves nothing out."""


def parse_query(text: str, zone: tzinfo = UTC) -> SearchQuery:
    """A query as a user types it: words, `"phrases"`, `title:`, `role:`, `before:` and `after:`.

    Args:
        text: The query.
        zone: Where the days of `before:` and `after:` begin.

    Raises:
        InvalidInput: A filter has no such value, and the message says which it takes; or there are
            too many words.
    """
    words, phrases, titles = dict[str, None](), dict[Phrase, None](), dict[Phrase, None]()
    given: dict[str, Any] = {}
    for match in _WORD.finditer(visible_line(text[:MAX_QUERY]).strip()):
        name, value = (match["name"] or "").lower(), match["quoted"] or match["word"] or ""
        if not value.strip():
            continue
        if name == "role":
            given["role"] = _role(value)
        elif name in ("before", "after"):
            given[name] = _day(name, value, zone)
        else:
            words[value.strip()] = None
            if phrase := phrase_of(value):
                (titles if name else phrases)[phrase] = None
    if len(words) > MAX_WORDS:
        raise InvalidInput(f"A search can have at most {MAX_WORDS} words.")
    return SearchQuery(tuple(words), tuple(phrases), tuple(titles), **given)


def _role(value: str) -> str:
    role = _ROLES.get(value.lower())
    if role is None:
        raise InvalidInput("role: takes user or assistant.")
    return role


def _day(name: str, value: str, zone: tzinfo) -> datetime:
    found = _DATE.fullmatch(value)
    try:
        if found is None:
            raise ValueError
        year, month, day = (int(number or 1) for number in found.groups())
        return datetime(year, month, day, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{name}: takes a date such as 2026-11-28, or 2026-11.") from None
