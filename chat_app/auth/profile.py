"""What a person says about themselves, and how it is changed."""

from sqlmodel import col, update

from chat_app.auth.names import clean_name
from chat_app.auth.principal import Principal
from chat_app.bus import Bus, Hint, user_topic
from chat_app.db.engine import Database
from chat_app.db.tables import User


class Profiles:
    """Changes profiles and tells the person's tabs.

    Args:
        db: Where people are kept.
        bus: Told of every change.
    """

    def __init__(self, db: Database, bus: Bus) -> None:
        self._db = db
        self._bus = bus

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

    def _tell(self, principal: Principal) -> None:
        self._bus.publish(user_topic(principal.user_id), Hint("person"))
