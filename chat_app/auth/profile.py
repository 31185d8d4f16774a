"""What a person says about themselves, and how it is changed."""

import hashlib

from sqlmodel import col, delete, select, update

from chat_app.auth.names import clean_name
from chat_app.auth.pictures import media_type
from chat_app.auth.principal import Principal
from chat_app.bus import Bus, Hint, user_topic
from chat_app.clock import Clock
from chat_app.db.engine import Database
from chat_app.db.tables import Picture, User


class Profiles:
    """Changes profiles and tells the person's tabs.

    Args:
        db: Where people are kept.
        bus: Told of every change.
        clock: The time.
    """

    def __init__(self, db: Database, bus: Bus, clock: Clock) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock

    async def rename(self, principal: Principal, name: str) -> None:
        """Call oneself something else; nothing is the address again.

        Raises:
            InvalidName: It is too long or no text.
        """
        name = clean_name(name)
        async with self._db.system("auth", write=True) as session:
            await session.exec(
                update(User).where(col(User.id) == principal.user_id).values(name=name)
            )
        self._tell(principal)

    async def set_picture(self, principal: Principal, content: bytes) -> None:
        """Show oneself, in place of any picture before.

        Raises:
            TooLarge, WrongPicture: See `pictures.media_type`.
        """
        kind, digest = media_type(content), hashlib.sha256(content).hexdigest()
        async with self._db.system("auth", write=True) as session:
            picture = await session.get(Picture, principal.user_id) or Picture(
                user_id=principal.user_id,
                media_type="",
                digest="",
                content=b"",
                updated_at=self._clock(),
            )
            picture.media_type, picture.digest, picture.content = kind, digest, content
            picture.updated_at = self._clock()
            session.add(picture)
        self._tell(principal)

    async def remove_picture(self, principal: Principal) -> None:
        """Show nothing again."""
        async with self._db.system("auth", write=True) as session:
            await session.exec(delete(Picture).where(col(Picture.user_id) == principal.user_id))
        self._tell(principal)

    async def picture_digest(self, principal: Principal) -> str:
        """What changes when the picture does; empty when there is none."""
        async with self._db.system("auth") as session:
            found = await session.exec(
                select(Picture.digest).where(col(Picture.user_id) == principal.user_id)
            )
            return found.first() or ""

    def _tell(self, principal: Principal) -> None:
        self._bus.publish(user_topic(principal.user_id), Hint("person"))
