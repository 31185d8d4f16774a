"""What an earlier version writes into a database of this one can be searched after the start."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, delete, select

from chat_app.auth.principal import Principal
from chat_app.core.crypto import KeyRing
from chat_app.core.parts import text_part
from chat_app.db.tables import Message, SearchEntry, Thread
from chat_app.threads import search_backlog
from chat_app.threads.search import Search
from chat_app.threads.search_backlog import index_missing
from testing.database import DatabaseUnderTest
from testing.run_services import RunHarness, run_harness


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


async def _found(harness: RunHarness, who: Principal, text: str) -> list[UUID | None]:
    page = await Search(harness.db, KeyRing(harness.settings)).find(who, text)
    return [hit.message_id for hit in page.hits]


async def _ask(harness: RunHarness, who: Principal) -> tuple[UUID, UUID]:
    """A thread with a title of its own, and a question in it that is answered."""
    thread = await harness.threads.create(who, title="garden")
    sent = await harness.runs.send(who, text="tomatoes", client_id="c1", thread_id=thread.id)
    (await harness.models.one.answer()).say("red").finish()
    await harness.read(who, sent.run_id)
    return thread.id, sent.user_message_id


def _later(harness: RunHarness) -> datetime:
    return harness.clock() + timedelta(hours=1)


async def test_a_start_finds_no_deleted_message_and_a_restored_one_once(
    database: DatabaseUnderTest,
):
    async with run_harness(database) as harness:
        alice = await harness.person()
        thread_id, message_id = await _ask(harness, alice)
        await harness.threads.delete_branch(alice, thread_id, message_id)
        assert await index_missing(harness.db, _later(harness)) == 0
        assert await _found(harness, alice, "tomatoes") == []
        await harness.threads.restore_branch(alice, thread_id, message_id)
        assert await index_missing(harness.db, _later(harness)) == 0
        assert await _found(harness, alice, "tomatoes") == [message_id]


async def _add_entry(harness: RunHarness, who: Principal, thread_id: UUID, message_id: UUID):
    """The entry that an earlier version gives a message."""
    async with harness.db.system("sweep", write=True) as session:
        session.add(
            SearchEntry(
                owner_id=who.user_id,
                thread_id=thread_id,
                message_id=message_id,
                role="user",
                created_at=harness.clock(),
                tokens="tomatoes",
            )
        )


async def test_entries_that_an_earlier_start_gave_deleted_messages_are_removed(
    database: DatabaseUnderTest, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(search_backlog, "_REMOVED_AT_ONCE", 2)
    async with run_harness(database) as harness:
        alice = await harness.person()
        thread_id, message_id = await _ask(harness, alice)
        await harness.threads.delete_branch(alice, thread_id, message_id)
        for _ in range(3):
            await _add_entry(harness, alice, thread_id, message_id)
        await index_missing(harness.db, _later(harness))
        assert await _found(harness, alice, "tomatoes") == []
        assert [entry[1:] for entry in await _entries(harness)] == [(None, "garden")]


async def test_a_message_that_is_restored_before_the_next_start_is_found_once(
    database: DatabaseUnderTest,
):
    async with run_harness(database) as harness:
        alice = await harness.person()
        thread_id, message_id = await _ask(harness, alice)
        await harness.threads.delete_branch(alice, thread_id, message_id)
        await _add_entry(harness, alice, thread_id, message_id)
        await harness.threads.restore_branch(alice, thread_id, message_id)
        assert await _found(harness, alice, "tomatoes") == [message_id]


async def test_a_continued_answer_is_found_once(database: DatabaseUnderTest):
    async with run_harness(database) as harness:
        alice = await harness.person()
        sent = await harness.runs.send(alice, text="hi", client_id="c1")
        (await harness.models.one.answer()).say("Half tomatoes")
        await anext(harness.runs.follow(alice, sent.run_id))
        await harness.runs.stop(alice, sent.run_id)
        again = await harness.runs.continue_answer(alice, sent.message_id)
        answer = await harness.models.one.answer(2)
        await index_missing(harness.db, _later(harness))
        assert await _found(harness, alice, "tomatoes") == [], "it is being written"
        # an earlier version leaves the entry where it is
        await _add_entry(harness, alice, sent.thread_id, sent.message_id)
        answer.say(" and cabbage").finish()
        await harness.read(alice, again.run_id)
        await harness.runs.drain()
        assert await _found(harness, alice, "tomatoes") == [sent.message_id]
        assert await _found(harness, alice, "cabbage") == [sent.message_id]
