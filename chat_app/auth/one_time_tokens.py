"""Tokens that work once: letters, second factors, passkeys and provider sign-ins are made of them.

Only a token's hash is kept. Taking one is a single UPDATE that finds it unused, so of twenty who
come with the same token at the same moment one gets it.
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
from chat_app.core.tokens import hash_token, new_token
from chat_app.db.engine import Database
from chat_app.db.sessions import SystemSession
from chat_app.db.tables import OneTimeToken

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
]
"""What a token is for; it is worth nothing anywhere else."""

_LONGEST = 200  # characters; ours have 43


@dataclass(frozen=True, slots=True)
class ConsumedToken:
    """What a token stood for.

    Args:
        id: Its row.
        purpose: What it was for.
        user_id: Whose it was, where that was known.
        subject: An e-mail address, or what else it was about.
        data: What was put aside with it.
    """

    id: UUID
    purpose: str
    user_id: UUID | None
    subject: str
    data: Mapping[str, Any]


class OneTimeTokens:
    """Makes and takes tokens.

    Args:
        db: Where their hashes are kept.
        clock: The time.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def make(
        self,
        purpose: Purpose,
        *,
        lasts: timedelta,
        user_id: UUID | None = None,
        subject: str = "",
        binding: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> str:
        """A new token: 256 random bits in base64url.

        Args:
            purpose: What it will be for.
            lasts: How long it can be used.
            user_id: Whose it is; it goes when they go.
            subject: What it is about.
            binding: A value that must be shown with it, such as a cookie of the browser.
            data: What to put aside with it; JSON.
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
            expires_at=now + lasts,
        )
        async with self._db.system("auth", write=True) as session:
            session.add(row)
        return token

    async def peek(
        self, token: str, purpose: Purpose, *, binding: str | None = None
    ) -> ConsumedToken:
        """What a token stands for; it can still be used.

        Raises:
            InvalidToken: It is used, expired, for something else, or nobody made it.
        """
        async with self._db.system("auth") as session:
            found = await session.exec(
                select(OneTimeToken).where(*self._usable(token, purpose, binding))
            )
            return _spent(found.all())

    async def consume(
        self, token: str, purpose: Purpose, *, binding: str | None = None
    ) -> ConsumedToken:
        """Use a token up.

        Raises:
            InvalidToken: As in `peek`; also for everybody who comes second.
        """
        async with self._db.system("auth", write=True) as session:
            return await self.consume_in(session, token, purpose, binding=binding)

    async def consume_in(
        self, session: SystemSession, token: str, purpose: Purpose, *, binding: str | None = None
    ) -> ConsumedToken:
        """Use a token up in a transaction of the caller's: it is used if that commits.

        Raises:
            InvalidToken: As in `consume`.
        """
        return await self._take(session, token, purpose, binding, used_at=self._clock())

    async def attempt(
        self, token: str, purpose: Purpose, *, most: int, binding: str | None = None
    ) -> ConsumedToken:
        """Count one try at what a token guards, before the try is judged.

        Args:
            token: The token.
            purpose: What it must be for.
            most: How many tries it allows, however many come at once.
            binding: What must be shown with it.

        Raises:
            InvalidToken: As in `peek`, and when all tries are gone.
        """
        async with self._db.system("auth", write=True) as session:
            return await self._take(
                session,
                token,
                purpose,
                binding,
                col(OneTimeToken.attempts) < most,
                attempts=OneTimeToken.attempts + 1,
            )

    async def give_back(self, spent: ConsumedToken) -> None:
        """Undo one `attempt`: our own failure is nobody's try."""
        async with self._db.system("auth", write=True) as session:
            await session.exec(
                update(OneTimeToken)
                .where(col(OneTimeToken.id) == spent.id, col(OneTimeToken.attempts) > 0)
                .values(attempts=OneTimeToken.attempts - 1)
            )

    async def purge(self) -> None:
        """Remove what can no longer be used by anybody."""
        over = col(OneTimeToken.expires_at) <= self._clock()
        async with self._db.system("sweep") as session:
            if (await session.exec(select(OneTimeToken.id).where(over).limit(1))).first() is None:
                return
        async with self._db.system("sweep", write=True) as session:
            await session.exec(delete(OneTimeToken).where(over))

    async def _take(
        self,
        session: SystemSession,
        token: str,
        purpose: Purpose,
        binding: str | None,
        *conditions: ColumnElement[bool],
        **values: Any,
    ) -> ConsumedToken:
        taken = await session.exec(
            update(OneTimeToken)
            .where(*self._usable(token, purpose, binding), *conditions)
            .values(**values)
            .returning(OneTimeToken)
        )
        return _spent(taken.scalars().all())

    def _usable(
        self, token: str, purpose: Purpose, binding: str | None
    ) -> tuple[ColumnElement[bool], ...]:
        return (
            col(OneTimeToken.token_hash) == hash_token(token[:_LONGEST]),
            col(OneTimeToken.purpose) == purpose,
            col(OneTimeToken.binding_hash) == (hash_token(binding[:_LONGEST]) if binding else ""),
            col(OneTimeToken.used_at).is_(None),
            col(OneTimeToken.expires_at) > self._clock(),
        )


async def revoke_tokens(session: SystemSession, user_id: UUID, *purposes: Purpose) -> None:
    """Forget a person's unused tokens, in a transaction of the caller's.

    Args:
        session: The transaction.
        user_id: The person.
        purposes: Which; none means all.
    """
    which = [col(OneTimeToken.user_id) == user_id]
    if purposes:
        which.append(col(OneTimeToken.purpose).in_(purposes))
    await session.exec(delete(OneTimeToken).where(*which))


def _spent(rows: Sequence[OneTimeToken]) -> ConsumedToken:
    if not rows:
        raise InvalidToken
    row = rows[0]
    return ConsumedToken(row.id, row.purpose, row.user_id, row.subject, row.data)
