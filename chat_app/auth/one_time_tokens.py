"""One-time tokens: email links, two-factor challenges, passkey challenges, OAuth transactions.

Only a token's hash is stored. Consuming one is a single UPDATE of an unused row, so that of
concurrent requests with the same token exactly one succeeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col, delete, select, update

from chat_app.auth.errors import InvalidToken
from chat_app.core.clock import Clock
from chat_app.core.crypto import hash_token, new_token
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import OneTimeToken, RememberedDevice

Purpose = Literal[
    "sign_in_link",
    "sign_up",
    "verify_email",
    "change_email",
    "reset_password",
    "second_factor",
    "oauth",
    "passkey_register",
    "passkey_sign_in",
    "passkey_step_up",
    "setup",
]
"""What a token is for; it is invalid for any other purpose."""

_MAX_LENGTH = 200  # characters; ours have 43
_PURGED_AT_ONCE = 500  # so that others can write in between


@dataclass(frozen=True, slots=True)
class ConsumedToken:
    """What a token was created with.

    Args:
        id: Its row.
        purpose: What it is for.
        user_id: The user, where it was known.
        subject: An email, or what else it is about.
        data: What was stored with it.
    """

    id: UUID
    purpose: str
    user_id: UUID | None
    subject: str
    data: Mapping[str, Any]


class OneTimeTokens:
    """Creates and consumes tokens.

    Args:
        db: Stores their hashes.
        clock: The time.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def create(
        self,
        purpose: Purpose,
        *,
        lifetime: timedelta,
        user_id: UUID | None = None,
        subject: str = "",
        binding: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> str:
        """Create a token in a transaction of its own; see `create_in`."""
        async with self._db.system("auth", write=True) as session:
            return await self.create_in(
                session,
                purpose,
                lifetime=lifetime,
                user_id=user_id,
                subject=subject,
                binding=binding,
                data=data,
            )

    async def create_in(
        self,
        session: SystemSession,
        purpose: Purpose,
        *,
        lifetime: timedelta,
        user_id: UUID | None = None,
        subject: str = "",
        binding: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> str:
        """Create a token in the caller's transaction.

        Args:
            session: The transaction.
            purpose: What it is for.
            lifetime: How long it is valid.
            user_id: The user; deleting them deletes the token.
            subject: What it is about.
            binding: A value that must accompany it, such as a cookie of the browser.
            data: JSON to store with it.
        """
        token, now = new_token(), self._clock()
        row = OneTimeToken(
            token_hash=hash_token(token),
            purpose=purpose,
            user_id=user_id,
            subject=subject,
            binding_hash=hash_token(binding) if binding else "",
            data=dict(data or {}),
            created_at=now,
            expires_at=now + lifetime,
        )
        session.add(row)
        await session.flush()
        return token

    async def peek(
        self, token: str, purpose: Purpose, *, binding: str | None = None
    ) -> ConsumedToken:
        """Read a token without consuming it.

        Raises:
            InvalidToken: It is used, expired, for another purpose or unknown.
        """
        async with self._db.system("auth") as session:
            rows = await session.exec(
                select(OneTimeToken).where(*self._valid(token, purpose, binding))
            )
            return _consumed(rows.all())

    async def consume(
        self, token: str, purpose: Purpose, *, binding: str | None = None
    ) -> ConsumedToken:
        """Consume a token.

        Raises:
            InvalidToken: As in `peek`, and for all but the first of concurrent calls.
        """
        async with self._db.system("auth", write=True) as session:
            return await self.consume_in(session, token, purpose, binding=binding)

    async def consume_in(
        self, session: SystemSession, token: str, purpose: Purpose, *, binding: str | None = None
    ) -> ConsumedToken:
        """Consume a token in the caller's transaction; it stays valid if that rolls back.

        Raises:
            InvalidToken: As in `consume`.
        """
        return await self._update(session, token, purpose, binding, used_at=self._clock())

    async def reserve_attempt(
        self, token: str, purpose: Purpose, *, max_attempts: int, binding: str | None = None
    ) -> ConsumedToken:
        """Reserve one attempt at what a token protects, before the attempt is checked.

        Args:
            token: The token.
            purpose: What it is for.
            max_attempts: How many attempts it allows, concurrent ones included.
            binding: The value that accompanies it.

        Raises:
            InvalidToken: As in `peek`, and when no attempt is left.
        """
        async with self._db.system("auth", write=True) as session:
            return await self._update(
                session,
                token,
                purpose,
                binding,
                col(OneTimeToken.attempts) < max_attempts,
                attempts=OneTimeToken.attempts + 1,
            )

    async def release_attempt(self, token: ConsumedToken) -> None:
        """Undo `reserve_attempt` after a failure of this server."""
        async with self._db.system("auth", write=True) as session:
            await session.exec(
                update(OneTimeToken)
                .where(col(OneTimeToken.id) == token.id, col(OneTimeToken.attempts) > 0)
                .values(attempts=OneTimeToken.attempts - 1)
            )

    async def purge(self) -> None:
        """Delete expired tokens, and expired remembered devices, a little at a time."""
        for table in (OneTimeToken, RememberedDevice):
            due = select(table.id).where(col(table.expires_at) <= self._clock())
            while True:
                most = self._db.purged_at_once(_PURGED_AT_ONCE)
                async with self._db.system("sweep") as session:
                    ids = (await session.exec(due.limit(most))).all()
                if not ids:
                    break
                async with self._db.system("sweep", write=True) as session:
                    await session.exec(delete(table).where(col(table.id).in_(ids)))

    async def _update(
        self,
        session: SystemSession,
        token: str,
        purpose: Purpose,
        binding: str | None,
        *conditions: ColumnElement[bool],
        **values: Any,
    ) -> ConsumedToken:
        updated = await session.exec(
            update(OneTimeToken)
            .where(*self._valid(token, purpose, binding), *conditions)
            .values(**values)
            .returning(OneTimeToken)
        )
        return _consumed(updated.scalars().all())

    def _valid(
        self, token: str, purpose: Purpose, binding: str | None
    ) -> tuple[ColumnElement[bool], ...]:
        return (
            col(OneTimeToken.token_hash) == hash_token(token[:_MAX_LENGTH]),
            col(OneTimeToken.purpose) == purpose,
            col(OneTimeToken.binding_hash)
            == (hash_token(binding[:_MAX_LENGTH]) if binding else ""),
            col(OneTimeToken.used_at).is_(None),
            col(OneTimeToken.expires_at) > self._clock(),
        )


async def revoke_tokens(session: SystemSession, user_id: UUID, *purposes: Purpose) -> None:
    """Delete a user's tokens in the caller's transaction.

    Args:
        session: The transaction.
        user_id: The user.
        purposes: Only these; none means all.
    """
    conditions = [col(OneTimeToken.user_id) == user_id]
    if purposes:
        conditions.append(col(OneTimeToken.purpose).in_(purposes))
    await session.exec(delete(OneTimeToken).where(*conditions))


async def revoke_issued_tokens(session: SystemSession, admin_id: UUID) -> None:
    """Delete the tokens of the links that an admin made for others, who may do it no more.

    Args:
        session: The transaction that takes the role.
        admin_id: The admin.
    """
    issued_by = col(OneTimeToken.data)["issued_by"].as_string()
    await session.exec(
        delete(OneTimeToken).where(
            col(OneTimeToken.purpose) == "reset_password", issued_by == str(admin_id)
        )
    )


def _consumed(rows: Sequence[OneTimeToken]) -> ConsumedToken:
    if not rows:
        raise InvalidToken
    row = rows[0]
    return ConsumedToken(row.id, row.purpose, row.user_id, row.subject, row.data)
