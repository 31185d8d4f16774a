"""The profile: display name, picture, and the model for new chats."""

import asyncio
import hashlib
import re
import unicodedata
from dataclasses import dataclass

from sqlmodel import col, delete, select, update

from chat_app.auth.account.picture import without_metadata
from chat_app.auth.errors import InvalidName
from chat_app.auth.principal import Principal
from chat_app.core.clock import Clock
from chat_app.core.signals import Bus, Signal, user_topic
from chat_app.db.engine import Database
from chat_app.db.tables import Picture, User

NAME_MAX_LENGTH = 100
"""Characters."""

# Control characters, line breaks, halves of surrogate pairs, and marks that turn text around.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean_display_name(name: str) -> str:
    """Validate a display name; strips spaces around it.

    Raises:
        InvalidName: It is too long or has control characters.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if len(name) > NAME_MAX_LENGTH or _FORBIDDEN.search(name):
        raise InvalidName
    return name


def truncate_display_name(name: str) -> str:
    """A provider's name, cleaned and shortened instead of rejected."""
    return _FORBIDDEN.sub("", unicodedata.normalize("NFC", name)).strip()[:NAME_MAX_LENGTH].strip()


@dataclass(frozen=True, slots=True)
class Profiles:
    """Changes profiles and notifies the user's tabs.

    Args:
        db: Stores users.
        bus: Receives a signal after every change.
        clock: The time.
    """

    db: Database
    bus: Bus
    clock: Clock

    async def rename(self, principal: Principal, name: str) -> None:
        """Change the display name; an empty one shows the email.

        Raises:
            InvalidName: It is invalid.
        """
        name = clean_display_name(name)
        async with self.db.system("auth", write=True) as session:
            await session.exec(
                update(User).where(col(User.id) == principal.user_id).values(name=name)
            )
        self._publish(principal)

    async def set_picture(self, principal: Principal, content: bytes) -> None:
        """Set or replace the picture; nothing but the picture itself is stored.

        Raises:
            TooLarge, UnsupportedPicture: See `without_metadata`.
        """
        media_type, content = await asyncio.to_thread(without_metadata, content)
        picture = Picture(
            user_id=principal.user_id,
            media_type=media_type,
            digest=hashlib.sha256(content).hexdigest(),
            content=content,
            updated_at=self.clock(),
        )
        async with self.db.system("auth", write=True) as session:
            await session.merge(picture)
        self._publish(principal)

    async def remove_picture(self, principal: Principal) -> None:
        """Remove the picture."""
        async with self.db.system("auth", write=True) as session:
            await session.exec(delete(Picture).where(col(Picture.user_id) == principal.user_id))
        self._publish(principal)

    async def choose_model(self, principal: Principal, model_id: str) -> None:
        """Keep a model for the user's new chats; the caller has checked that it is offered."""
        async with self.db.system("auth", write=True) as session:
            await session.exec(
                update(User).where(col(User.id) == principal.user_id).values(chosen_model=model_id)
            )
        self._publish(principal)

    async def chosen_model(self, principal: Principal) -> str:
        """The model for the user's new chats; empty when they have chosen none."""
        async with self.db.system("auth") as session:
            found = await session.exec(
                select(User.chosen_model).where(col(User.id) == principal.user_id)
            )
            return found.first() or ""

    async def picture_digest(self, principal: Principal) -> str:
        """The picture's hash; empty when there is none."""
        async with self.db.system("auth") as session:
            found = await session.exec(
                select(Picture.digest).where(col(Picture.user_id) == principal.user_id)
            )
            return found.first() or ""

    def _publish(self, principal: Principal) -> None:
        self.bus.publish(user_topic(principal.user_id), Signal("user"))
