"""An account is deleted at the first try, whatever its answers are writing just then."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from chat_app.auth.account.delete import delete_account
from chat_app.auth.principal import Principal
from chat_app.core.events import TextDelta
from chat_app.db.tables import User
from chat_app.runs.log import LogEntry, event_store
from testing.run_services import RunHarness


class WhileItIsDeleted:
    """In the place of the session service: does something else in the middle of a deletion."""

    def __init__(self, harness: RunHarness, run_id: UUID, owner_id: UUID) -> None:
        store = event_store(harness.db, harness.clock)
        entry = LogEntry(run_id, owner_id, 99, TextDelta("late"), "late", False)
        self._harness = harness
        self.bus = harness.bus
        self._write = store([entry])
        self.writing: asyncio.Future[None] | None = None

    async def revoke_all(self, *_: Any, **__: Any) -> None:
        self.writing = asyncio.ensure_future(self._write)
        async with asyncio.timeout(30):
            while not (self.writing.done() or self._is_waiting()):  # noqa: ASYNC110 no event
                await asyncio.sleep(0.01)

    def _is_waiting(self) -> bool:
        return bool(self._harness.database.rows("SELECT 1 FROM pg_locks WHERE NOT granted LIMIT 1"))


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_an_account_is_deleted_while_its_answer_is_being_written(
    harness: RunHarness, alice: Principal
) -> None:
    sent = await harness.runs.send(alice, text="hi", client_id="c1")
    answer = await harness.models.one.answer()
    answer.say("seen")
    await anext(harness.runs.follow(alice, sent.run_id))
    async with harness.db.system("auth") as session:
        user = await session.require(User, alice.user_id)
    meanwhile = WhileItIsDeleted(harness, sent.run_id, alice.user_id)
    sessions: Any = meanwhile
    await delete_account(harness.db, sessions, alice, user.email)
    assert harness.database.rows('SELECT id FROM "user"') == []
    assert harness.database.rows("SELECT run_id FROM run_event") == []
    assert meanwhile.writing is not None
    with pytest.raises(IntegrityError):  # it waited, and then there was nothing to write to
        await meanwhile.writing
