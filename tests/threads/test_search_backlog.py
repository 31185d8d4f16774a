"""What an earlier version writes into a database of this one can be searched after the start."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, delete, select

from chat_app.auth.principal import Principal
from chat_app.core.parts import text_part
from chat_app.db.tables import Message, SearchEntry, Thread
from chat_app.threads import search_backlog
from chat_app.threads.search_backlog import index_missing
from testing.run_services import RunHarness


async def _write_without_entries(harness: RunHarness, who: Principal) -> tuple[UUID, list[UUID]]:
    """A thread as a version without full-text search leaves it: its words are in no entry."""
    thread = Thread(owner_id=who.user_id, title="Garden plans", created_at=harness.clock())
    texts = ["first tomatoes", "second tomatoes", "", "…", "later tomatoes"]
    messages = [
        Message(
            id=uuid4(),
            owner_id=who.user_id,
            thread_id=thread.id,
            role="user",
            parts=[text_part(text)] if text else [],
            created_at=harness.clock() + timedelta(days=text.startswith("later")),
        )
        for text in texts
    ]
    async with harness.db.write(who) as session:
        session.add(thread)
        await session.flush()
        session.add_all(messages)
    async with harness.db.system("sweep", write=True) as session:
        await session.exec(delete(SearchEntry).where(col(SearchEntry.thread_id) == thread.id))
    return thread.id, [message.id for message in messages]


async def _entries(harness: RunHarness) -> list[tuple[UUID, UUID | None, str]]:
    async with harness.db.system("auth") as session:
        query = select(SearchEntry.owner_id, SearchEntry.message_id, SearchEntry.tokens)
        return sorted((await session.exec(query)).all(), key=str)


async def test_what_an_earlier_version_wrote_is_indexed_once(
    harness: RunHarness, alice: Principal, bob: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_backlog, "_LOOKED_AT", 2)
    _, ids = await _write_without_entries(harness, alice)
    other, _ = await _write_without_entries(harness, bob)
    async with harness.db.system("sweep", write=True) as session:
        session.add(
            SearchEntry(
                owner_id=bob.user_id,
                thread_id=other,
                role="title",
                created_at=harness.clock(),
                tokens="an old title",
            )
        )
    before = harness.clock() + timedelta(hours=1)
    assert await index_missing(harness.db, before) == 4
    mine = [entry[1:] for entry in await _entries(harness) if entry[0] == alice.user_id]
    assert sorted(mine, key=str) == sorted(
        [(None, "garden plans"), (ids[0], "first tomatoes"), (ids[1], "second tomatoes")], key=str
    )
    every = await _entries(harness)
    assert "an old title" not in {tokens for *_, tokens in every}
    assert await index_missing(harness.db, before) == 0
    assert await _entries(harness) == every
