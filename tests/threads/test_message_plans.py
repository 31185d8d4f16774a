"""The version, the size and the tree of a thread are read from an index, and not from its texts.

On SQLite; PostgreSQL keeps long texts beside their rows.
"""

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.clock import utc_now
from chat_app.threads.client_messages import ClientMessages
from chat_app.threads.user_limits import UserLimits
from testing.database import only_sqlite
from testing.run_services import RunHarness
from testing.sql_statements import statements

VERSION = "max(message.deleted_at)"
SIZE = "coalesce(sum(message.size)"
TREE = "SELECT message.id, message.parent_id, message.created_at"


@only_sqlite
@pytest.mark.parametrize("about", [VERSION, SIZE, TREE])
async def test_no_row_of_a_message_is_read(
    harness: RunHarness, alice: Principal, about: str
) -> None:
    thread = await harness.threads.create(alice)
    limits = UserLimits(harness.settings)
    messages = ClientMessages(harness.db, harness.bus, harness.settings, utc_now, limits)
    with statements() as noted:
        await messages.version(alice, thread.id)
        await messages.tree(alice, thread.id)
    [plan] = noted.plans(harness.database.folder / "chat.db", about)
    assert plan.startswith("SEARCH message USING COVERING INDEX ix_message_tree (thread_id=?")
