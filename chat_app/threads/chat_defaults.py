"""What new chats of a user begin with: the options of their answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import IntegrityError

from chat_app.auth.principal import Principal
from chat_app.core.signals import Bus, Signal, user_topic
from chat_app.db.engine import Database
from chat_app.db.tables import ChatDefaults
from chat_app.settings import Settings
from chat_app.threads.options import NO_OPTIONS, ChatOptions, cap_options, changed_options


@dataclass(frozen=True, slots=True)
class NewChatOptions:
    """Reads and changes the options that new chats of a user begin with.

    Args:
        db: Stores them.
        bus: Receives a signal after every change.
        settings: The operator's caps.
    """

    db: Database
    bus: Bus
    settings: Settings

    async def get(self, principal: Principal) -> ChatOptions:
        """The options, within the operator's caps."""
        async with self.db.read(principal) as session:
            row = await session.get(ChatDefaults, principal.user_id)
        return (
            NO_OPTIONS
            if row is None
            else cap_options(ChatOptions.of_row(row.options), self.settings)
        )

    async def change(self, principal: Principal, options: Mapping[str, Any]) -> None:
        """Choose some of the options anew.

        Args:
            principal: The user.
            options: What changes, by the fields of `ChatOptions`.

        Raises:
            InvalidInput: A choice is beyond its cap.
        """
        try:
            await self._store(principal, options)
        except IntegrityError:
            # stored for the first time twice at once (PostgreSQL); now there is a row
            await self._store(principal, options)
        self.bus.publish(user_topic(principal.user_id), Signal("user"))

    async def _store(self, principal: Principal, options: Mapping[str, Any]) -> None:
        async with self.db.write(principal) as session:
            row = await session.get(ChatDefaults, principal.user_id, with_for_update=True)
            stored = {} if row is None else row.options
            chosen = changed_options(stored, options, self.settings).row
            if row is None:
                session.add(ChatDefaults(owner_id=principal.user_id, options=chosen))
            else:
                row.options = chosen
