"""Known browsers: those in which a user has signed in before. Their failed sign-ins count apart.

An encrypted cookie says whose they are, after OWASP's "Slow Down Online Guessing Attacks with
Device Cookies". It authenticates nothing and replaces no second factor: a thief of it gets a few
more attempts at the passwords of its users, until these change.
"""

import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import and_, col, select

from chat_app.auth.emails import normalise
from chat_app.auth.errors import InvalidEmail
from chat_app.auth.sign_in.passwords import PASSWORD_ISSUER
from chat_app.core.clock import Clock
from chat_app.core.crypto import DecryptionError, KeyRing, hash_token
from chat_app.db.engine import Database
from chat_app.db.tables import Account, User

LIFETIME = timedelta(days=180)
"""How long a browser stays known after a sign-in."""
MAX_USERS = 5
"""Users in one browser's cookie; the one who signed in longest ago makes room."""

_KEY_PURPOSE = "known browser"
_ENTRY = struct.Struct(">16s8s8sI")
_LENGTH = MAX_USERS * _ENTRY.size
_MAX_COOKIE_LENGTH = 600  # one of ours has about 400 characters


@dataclass(frozen=True, slots=True)
class KnownUser:
    """A user who has signed in in a browser.

    Args:
        user_id: The user.
        password_digest: Of the hash of their password at that time; a new password has another one.
        id: Random; failures of this user in this browser are counted under it.
        expires_at: Seconds since the epoch.
    """

    user_id: UUID
    password_digest: bytes
    id: bytes
    expires_at: int


class KnownBrowsers:
    """Reads and writes the cookie of a known browser.

    Args:
        db: Has the users.
        keyring: Encrypts the cookie.
        clock: The time.
    """

    def __init__(self, db: Database, keyring: KeyRing, clock: Clock) -> None:
        self._db = db
        self._keyring = keyring
        self._clock = clock

    async def find(self, cookie: str | None, email: str) -> str:
        """The id under which the failures of a user in this browser count.

        Args:
            cookie: What the browser sent.
            email: As typed.

        Returns:
            Empty when the browser is not known for this email: no user with it has signed in here,
            or not within 180 days, or not since the password changed.
        """
        users = self._read(cookie)
        if not users:
            return ""
        try:
            subject = normalise(email)
        except InvalidEmail:
            return ""
        found = await self._find_user(col(User.email) == subject)
        known = [user for user in users if found == (user.user_id, user.password_digest)]
        return known[0].id.hex() if known else ""

    async def remember(self, cookie: str | None, user_id: UUID) -> str:
        """The browser's new cookie after a complete sign-in.

        The id is new each time, so that failures before the sign-in do not count after it.

        Args:
            cookie: What the browser sent; its other users stay.
            user_id: The user who has signed in.
        """
        _, password_digest = await self._find_user(col(User.id) == user_id) or (user_id, b"")
        expires_at = int((self._clock() + LIFETIME).timestamp())
        user = KnownUser(user_id, password_digest, secrets.token_bytes(8), expires_at)
        return self._write([user, *self._without(cookie, user_id)])

    def forget(self, cookie: str | None, user_id: UUID) -> str:
        """The browser's cookie without a user; empty when none is left."""
        users = self._without(cookie, user_id)
        return self._write(users) if users else ""

    async def _find_user(self, condition: ColumnElement[bool]) -> tuple[UUID, bytes] | None:
        """A user and the digest of their password's hash; of empty text without a password."""
        has_password = and_(
            col(Account.user_id) == col(User.id), col(Account.issuer) == PASSWORD_ISSUER
        )
        async with self._db.system("auth") as session:
            rows = await session.exec(
                select(User.id, Account.password_hash)
                .join(Account, has_password, isouter=True)
                .where(condition)
            )
            row = rows.first()
        return None if row is None else (row[0], bytes.fromhex(hash_token(row[1] or "")[:16]))

    def _without(self, cookie: str | None, user_id: UUID) -> list[KnownUser]:
        return [user for user in self._read(cookie) if user.user_id != user_id]

    def _read(self, cookie: str | None) -> list[KnownUser]:
        """The users of a cookie whose time has not passed; none if we did not write it."""
        if not cookie or len(cookie) > _MAX_COOKIE_LENGTH:
            return []
        try:
            content = self._keyring.decrypt(_KEY_PURPOSE, cookie)
        except DecryptionError:
            return []
        now = self._clock().timestamp()
        users = [
            KnownUser(UUID(bytes=user_id), password_digest, random_id, expires_at)
            for user_id, password_digest, random_id, expires_at in _ENTRY.iter_unpack(content)
        ]
        return [user for user in users if user.expires_at > now]

    def _write(self, users: Sequence[KnownUser]) -> str:
        # Padded, so that the length does not tell how many there are.
        content = b"".join(
            _ENTRY.pack(user.user_id.bytes, user.password_digest, user.id, user.expires_at)
            for user in users[:MAX_USERS]
        )
        return self._keyring.encrypt(_KEY_PURPOSE, content.ljust(_LENGTH, b"\0"))
