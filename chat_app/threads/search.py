"""Full-text search in a user's titles and messages, in every branch: queries, hits and snippets.

Hits are ranked by how often the words are in them, then by date. Neither depends on what others
wrote, as the usual scores do (bm25 weighs a word by how rare it is in everybody's texts).
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, exists, func, literal
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.auth.principal import Principal
from chat_app.core.crypto import DecryptionError, KeyRing
from chat_app.core.errors import InvalidInput
from chat_app.core.search_tokens import Phrase, doubled
from chat_app.db.engine import Database
from chat_app.db.full_text import TITLE, Contains, hits, searched_text
from chat_app.db.tables import Message, SearchEntry, Thread
from chat_app.threads.search_query import SearchQuery, parse_query
from chat_app.threads.snippets import SnippetPart, snippet
from chat_app.threads.views import in_utc

MAX_HITS = 50
"""The most hits on a page."""
POOL = 100
"""How many matches are ranked together: those written last, then the ones before them, …"""

_RANKED = 50_000  # characters of the tokens of a text, in which words are counted
_CURSOR = "search cursor"  # the purpose of its key
_MAX_CURSOR = 500  # characters
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Hit:
    """A title or a message that a search has found.

    Args:
        title: That of the thread.
        message_id: The message; None if the title itself was found.
        role: Of the message; `title` for a title.
    """

    thread_id: UUID
    title: str
    message_id: UUID | None
    role: str
    created_at: datetime
    snippet: list[SnippetPart]


@dataclass(frozen=True, slots=True)
class HitPage:
    """A page of hits.

    Args:
        next: The cursor of the following page; None at the end.
    """

    hits: list[Hit]
    next: str | None


class Search:
    """Full-text search; each call sees what its principal owns only.

    Args:
        db: The database.
        keyring: Encrypts cursors: the number of an entry tells how much others write.
    """

    def __init__(self, db: Database, keyring: KeyRing) -> None:
        self._db = db
        self._keyring = keyring

    async def find(
        self,
        principal: Principal,
        text: str,
        *,
        after: str | None = None,
        limit: int = 20,
        zone: tzinfo = UTC,
        in_titles: bool = True,
    ) -> HitPage:
        """A page of what has every word; nothing for one-letter words alone.

        Of many matches, the newest `POOL` are ranked and listed first, then the `POOL` before them.

        Args:
            principal: The user.
            text: The query; see `parse_query`.
            after: The cursor: `next` of the page before; None for the first page.
            limit: Hits on the page, 1 to `MAX_HITS`.
            zone: Where the days of `before:` and `after:` begin.
            in_titles: Whether titles are hits too.

        Raises:
            InvalidInput: The query, the cursor or the limit is invalid.
        """
        if not 1 <= limit <= MAX_HITS:
            raise InvalidInput(f"The limit must be 1 to {MAX_HITS}.")
        query = parse_query(text, zone)
        upto, last = self._decode_cursor(after) if after else (None, None)
        if not query.is_searchable:
            return HitPage([], None)
        async with self._db.read(principal) as session:
            pool = await _pool(session, query, upto, in_titles=in_titles)
            ranked = await asyncio.to_thread(_ranked, query, pool)
            left = [(rank, row) for rank, row in ranked if last is None or rank < last]
            page = left[:limit]
            ids = [row.message_id for _, row in page if row.message_id]
            found = select(Message.id, Message.parts).where(col(Message.id).in_(ids))
            parts = dict((await session.exec(found)).all()) if ids else {}
        next_page = None
        if len(left) > limit:
            next_page = self._encode_cursor(pool[0].id, page[-1][0])
        elif len(pool) == POOL:
            next_page = self._encode_cursor(pool[-1].id - 1)
        return HitPage(await asyncio.to_thread(_hits, query, page, parts), next_page)

    def _encode_cursor(self, upto: int, last: "_Rank | None" = None) -> str:
        """The cursor behind a hit of a pool, or before the first one.

        Args:
            upto: The id of the first entry of the pool, or one above it.
            last: The rank of the hit.
        """
        numbers = ".".join(map(str, (upto, *(last or ()))))
        return self._keyring.encrypt(_CURSOR, numbers.encode())

    def _decode_cursor(self, cursor: str) -> "tuple[int, _Rank | None]":
        try:
            numbers = self._keyring.decrypt(_CURSOR, cursor[:_MAX_CURSOR]).decode("ascii")
        except DecryptionError:
            raise InvalidInput("This page of the search is not valid. Search again.") from None
        upto, *last = (int(number) for number in numbers.split("."))
        if not last:
            return upto, None
        count, micros, entry_id = last
        return upto, (count, micros, entry_id)


_Rank = tuple[int, int, int]


def _by_rank(ranked: tuple[_Rank, Any]) -> _Rank:
    return ranked[0]


async def _pool(
    session: AsyncSession, query: SearchQuery, upto: int | None, *, in_titles: bool
) -> list[Any]:
    """The newest hits of a query, at most `POOL`, the last one written first.

    The newest entries with its terms are nearly always all hits. Only if the rest of the query left
    out some of them, the others are looked through.
    """
    given: dict[str, Any] = {"in_titles": in_titles}
    rows = (await session.exec(_statement(query, upto, newest=POOL, **given))).all()
    pool = [row for row in rows if row.tokens is not None]
    if len(pool) == POOL or len(rows) < POOL:
        return pool
    older = _statement(query, rows[-1].id - 1, **given).limit(POOL - len(pool))
    return [*pool, *(await session.exec(older)).all()]


def _statement(
    query: SearchQuery, upto: int | None, *, newest: int | None = None, in_titles: bool
) -> Any:
    """The entries that a query finds, the last one written first.

    Args:
        query: The query.
        upto: The largest id of an entry; None for any.
        newest: How many entries with the terms of the query are returned; one that is no hit has no
            tokens. None for all that are hits.
        in_titles: Whether titles are hits too.
    """
    phrases, role = query.phrases, query.role
    if not phrases:  # only `title:`
        phrases, role = query.title_phrases, TITLE
    terms = [term for phrase in phrases for term in phrase.terms]
    found = hits(
        list(dict.fromkeys(terms)),
        role=role,
        without="" if in_titles or role == TITLE else TITLE,
        upto=upto,
        most=newest,
    )
    entry: Any = SearchEntry
    is_hit = and_(col(Thread.deleted_at).is_(None), *_conditions(query, phrases))
    tokens: Any = func.substr(entry.tokens, 1, _RANKED)
    if newest is not None:
        tokens = case((is_hit & col(Thread.id).is_not(None), tokens))
    columns: Any = (
        found.c.id,
        entry.thread_id,
        entry.message_id,
        entry.role,
        entry.created_at,
        tokens.label("tokens"),
        Thread.title,
    )
    is_whole = newest is None
    statement = (
        select(*columns)
        .select_from(found)
        .join(SearchEntry, col(entry.id) == found.c.id, isouter=not is_whole)
        .join(Thread, col(Thread.id) == col(entry.thread_id), isouter=not is_whole)
        .order_by(found.c.id.desc())
    )
    return statement.where(is_hit) if is_whole else statement


def _conditions(query: SearchQuery, phrases: Sequence[Phrase]) -> Iterator[Any]:
    """What an entry with the terms of a query needs to be a hit."""
    entry: Any = SearchEntry
    for phrase in phrases:
        if not phrase.is_single:
            yield _has(entry, phrase)
    if query.phrases:
        for phrase in query.title_phrases:
            title: Any = aliased(SearchEntry)
            yield exists().where(
                title.thread_id == col(entry.thread_id),
                title.role == TITLE,
                _has(title, phrase),
            )
    if query.after is not None:
        yield col(entry.created_at) >= query.after
    if query.before is not None:
        yield col(entry.created_at) < query.before


def _has(entry: Any, phrase: Phrase) -> Any:
    tokens = literal(" ") + entry.tokens + literal(" ")
    return Contains(tokens, phrase.pattern)


def _ranked(query: SearchQuery, pool: Sequence[Any]) -> list[tuple[_Rank, Any]]:
    """The entries of a pool with their ranks, the first hit first."""
    return sorted(((_rank(query, row), row) for row in pool), key=_by_rank, reverse=True)


def _rank(query: SearchQuery, row: Any) -> _Rank:
    """How often the words are in an entry, then its date."""
    tokens = doubled(row.tokens)
    count = sum(phrase.count(tokens) for phrase in query.phrases or query.title_phrases)
    return count, (in_utc(row.created_at) - _EPOCH) // _MICROSECOND, row.id


def _hits(
    query: SearchQuery, page: Sequence[tuple[_Rank, Any]], parts: dict[UUID, Any]
) -> list[Hit]:
    return [_hit(query, row, parts) for _, row in page]


def _hit(query: SearchQuery, row: Any, parts: dict[UUID, Any]) -> Hit:
    text = searched_text(parts.get(row.message_id, ())) if row.message_id else row.title
    return Hit(
        thread_id=row.thread_id,
        title=row.title,
        message_id=row.message_id,
        role=row.role,
        created_at=in_utc(row.created_at),
        snippet=snippet(text, query.phrases or query.title_phrases),
    )
