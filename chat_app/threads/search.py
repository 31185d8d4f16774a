"""Full-text search in a user's titles and messages, in every branch: queries, hits and snippets.

Hits are ranked by how often the words are in them, then by date. Neither depends on what others
wrote, as the usual scores do (bm25 weighs a word by how rare it is in everybody's texts).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Integer, Text, Uuid, and_, bindparam, case, exists, func, literal
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from chat_app.auth.principal import Principal
from chat_app.core.crypto import DecryptionError, KeyRing
from chat_app.core.errors import InvalidInput
from chat_app.core.search_tokens import doubled
from chat_app.db.engine import Database
from chat_app.db.full_text import TITLE, Contains, hit_params, hits, searched_text
from chat_app.db.tables import Message, SearchEntry, Thread
from chat_app.threads.search_query import SearchQuery, parse_query
from chat_app.threads.snippets import SnippetPart, snippet
from chat_app.threads.views import in_utc

MAX_HITS = 50
"""The most hits on a page."""
POOL = 100
"""How many matches are ranked together: those written last, then the ones before them, …"""

_AT_ONCE = 50_000  # characters that are ranked, or searched for snippets, on the event loop
_RANKED = 50_000  # characters of the tokens of a text, in which words are counted
_CURSOR = "search cursor"  # the purpose of its key
_MAX_CURSOR = 500  # characters
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_T = TypeVar("_T")


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
        org_id: UUID | None = None,
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
            org_id: Only what is in this organisation, `PRIVATE` for what is in none; None for all.

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
            pool = await _pool(session, query, upto, in_titles=in_titles, org_id=org_id)
            ranked = await _computed(
                _ranked, query, pool, size=sum(len(row.tokens) for row in pool)
            )
            left = [(rank, row) for rank, row in ranked if last is None or rank < last]
            page = [row for _, row in left[:limit]]
            ids = {"ids": [row.id for row in page]}
            details = (await session.exec(_DETAILS, params=ids)).all() if page else []
        next_page = None
        if len(left) > limit:
            next_page = self._encode_cursor(pool[0].id, left[limit - 1][0])
        elif len(pool) == POOL:
            next_page = self._encode_cursor(pool[-1].id - 1)
        found = {row.id: row for row in details}
        texts = [(row, found[row.id], _text_of(found[row.id])) for row in page]
        size = sum(len(text) for *_, text in texts)
        return HitPage(await _computed(_hits, query, texts, size=size), next_page)

    async def left(self, principal: Principal, messages: Sequence[UUID]) -> set[UUID]:
        """Those of the messages that a search can still find; the others were deleted."""
        found = col(SearchEntry.message_id)
        async with self._db.read(principal) as session:
            rows = (await session.exec(select(found).where(found.in_(messages)))).all()
        return {message for message in rows if message is not None}

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


async def _computed(
    work: Callable[[SearchQuery, Sequence[Any]], _T],
    query: SearchQuery,
    rows: Sequence[Any],
    size: int,
) -> _T:
    """What is computed of some texts: in a thread, if the event loop would wait for it.

    Args:
        work: Computes it.
        query: The query.
        rows: The texts.
        size: How long they are together, in characters.
    """
    if size <= _AT_ONCE:
        return work(query, rows)
    return await asyncio.to_thread(work, query, rows)


async def _pool(
    session: AsyncSession,
    query: SearchQuery,
    upto: int | None,
    *,
    in_titles: bool,
    org_id: UUID | None,
) -> list[Any]:
    """The newest hits of a query, at most `POOL`, the last one written first.

    The newest entries with its terms are nearly always all hits. Only if the rest of the query left
    out some of them, the others are looked through.
    """
    phrases, role = query.phrases, query.role
    if not phrases:  # only `title:`
        phrases, role = query.title_phrases, TITLE
    params: dict[str, Any] = {"ranked": _RANKED}
    params |= {"after": query.after} if query.after else {}
    params |= {"before": query.before} if query.before else {}
    params |= {"of_org": org_id} if org_id is not None else {}
    patterns = [phrase.pattern for phrase in phrases if not phrase.is_single]
    titles = [phrase.pattern for phrase in query.title_phrases] if query.phrases else []
    params |= {f"phrase_{number}": pattern for number, pattern in enumerate(patterns)}
    params |= {f"title_{number}": pattern for number, pattern in enumerate(titles)}
    dates = query.after is not None, query.before is not None
    shape = (len(patterns), len(titles), *dates, org_id is not None)
    terms = list(dict.fromkeys(term for phrase in phrases for term in phrase.terms))
    without = "" if in_titles or role == TITLE else TITLE
    asked = hit_params(terms, role=role, without=without, upto=upto, most=POOL)
    rows = (await session.exec(_statement(*shape, bounded=True), params=params | asked)).all()
    pool = [row for row in rows if row.tokens is not None]
    if len(pool) == POOL or len(rows) < POOL:
        return pool
    older = hit_params(terms, role=role, without=without, upto=rows[-1].id - 1)
    older["limit"] = POOL - len(pool)
    statement = _statement(*shape, bounded=False)
    return [*pool, *(await session.exec(statement, params=params | older)).all()]


@lru_cache(64)
def _statement(
    phrases: int, titles: int, after: bool, before: bool, of_org: bool, *, bounded: bool
) -> Any:
    """The entries that a query finds, the last one written first; built once for each shape.

    Args:
        phrases: How many phrases are compared with the text.
        titles: How many are compared with the title of the thread.
        after: Whether entries have a first date.
        before: Whether they have a last one.
        of_org: Whether they are all in one organisation, or in none.
        bounded: Whether the newest entries with the terms are returned, and one that is no hit has
            no tokens; else only hits are, and all of them.
    """
    found = hits(bounded=bounded)
    entry: Any = SearchEntry
    conditions: list[Any] = [col(Thread.deleted_at).is_(None)]
    conditions += [_has(entry, f"phrase_{number}") for number in range(phrases)]
    for number in range(titles):
        title: Any = aliased(SearchEntry)
        conditions.append(
            exists().where(
                title.thread_id == col(entry.thread_id),
                title.role == TITLE,
                _has(title, f"title_{number}"),
            )
        )
    if after:
        conditions.append(col(entry.created_at) >= bindparam("after"))
    if before:
        conditions.append(col(entry.created_at) < bindparam("before"))
    if of_org:
        conditions.append(col(entry.org_id) == bindparam("of_org", type_=Uuid()))
    tokens: Any = func.substr(entry.tokens, 1, bindparam("ranked", type_=Integer()))
    if bounded:
        tokens = case((and_(col(Thread.id).is_not(None), *conditions), tokens))
    statement = (
        select(found.c.id, entry.created_at, tokens.label("tokens"))
        .select_from(found)
        .join(SearchEntry, col(entry.id) == found.c.id, isouter=bounded)
        .join(Thread, col(Thread.id) == col(entry.thread_id), isouter=bounded)
        .order_by(found.c.id.desc())
    )
    return statement if bounded else statement.where(*conditions).limit(bindparam("limit"))


def _details() -> Any:
    entry: Any = SearchEntry
    columns: Any = (
        entry.id,
        entry.thread_id,
        entry.message_id,
        entry.role,
        Thread.title,
        Message.parts,
    )
    return (
        select(*columns)
        # outer joins, so that SQLite begins with the entries
        .join(Thread, col(Thread.id) == col(entry.thread_id), isouter=True)
        .join(Message, col(Message.id) == col(entry.message_id), isouter=True)
        .where(col(entry.id).in_(bindparam("ids", expanding=True)))
    )


_DETAILS = _details()
"""What is shown of entries."""


def _has(entry: Any, phrase: str) -> Any:
    tokens = literal(" ") + entry.tokens + literal(" ")
    return Contains(tokens, bindparam(phrase, type_=Text()))


def _ranked(query: SearchQuery, pool: Sequence[Any]) -> list[tuple[_Rank, Any]]:
    """The entries of a pool with their ranks, the first hit first."""
    return sorted(((_rank(query, row), row) for row in pool), key=_by_rank, reverse=True)


def _rank(query: SearchQuery, row: Any) -> _Rank:
    """How often the words are in an entry, then its date."""
    tokens = doubled(row.tokens)
    count = sum(phrase.count(tokens) for phrase in query.phrases or query.title_phrases)
    return count, (in_utc(row.created_at) - _EPOCH) // _MICROSECOND, row.id


def _text_of(row: Any) -> str:
    return searched_text(row.parts or ()) if row.message_id else row.title


def _hits(query: SearchQuery, texts: Sequence[tuple[Any, Any, str]]) -> list[Hit]:
    """The hits on a page.

    Args:
        query: The query.
        texts: The entries with their details and texts.
    """
    phrases = query.phrases or query.title_phrases
    return [
        Hit(
            thread_id=found.thread_id,
            title=found.title,
            message_id=found.message_id,
            role=found.role,
            created_at=in_utc(row.created_at),
            snippet=snippet(text, phrases),
        )
        for row, found, text in texts
    ]
