"""Disabling and enabling a user, by the operator or an admin."""

from dataclasses import dataclass
from uuid import UUID

from sqlmodel import select

from chat_app import audit
from chat_app.auth.account.memberships import revoke_invitations
from chat_app.auth.account.roles import require_admin, require_other_admin
from chat_app.auth.devices import forget_devices
from chat_app.auth.emails import normalise
from chat_app.auth.keys.revocation import revoke_credentials
from chat_app.auth.one_time_tokens import revoke_issued_tokens, revoke_tokens
from chat_app.auth.sessions.service import SessionService
from chat_app.core.clock import Clock
from chat_app.core.errors import InvalidInput
from chat_app.db.engine import Database
from chat_app.db.tables import User


class UserNotFound(InvalidInput):
    """No user has this email."""

    code = "user_not_found"


@dataclass(frozen=True, slots=True)
class UserAccess:
    """Disables and enables users; their data is kept.

    Args:
        db: Stores users.
        sessions: Revokes their sessions.
        clock: The time.
    """

    db: Database
    sessions: SessionService
    clock: Clock

    async def disable(
        self,
        user_id: UUID,
        *,
        actor: audit.Actor = "command line",
        keeps_an_admin: bool = False,
    ) -> int:
        """Disable a user: no login method works; sessions, keys, tokens, devices, invitations end.

        Args:
            user_id: The user.
            actor: Who does it, for the audit log.
            keeps_an_admin: Whether to refuse to disable the only admin.

        Returns:
            How many sessions were revoked.

        Raises:
            Forbidden: The actor is no admin any more.
            LastAdmin: The user is the only admin, who is to be kept.
            NotFound: There is no such user.
        """
        async with self.db.system("account changes", write=True) as session:
            await require_admin(session, actor)
            user = await session.require(User, user_id)
            if keeps_an_admin:
                await require_other_admin(session, user_id)
            user.disabled_at = user.disabled_at or self.clock()
            await revoke_invitations(session, user_id, actor=actor, now=self.clock())
            await revoke_tokens(session, user_id)
            await revoke_issued_tokens(session, user_id)
            await forget_devices(session, user_id)
            revoked = await revoke_credentials(session, self.sessions, user_id, reason="disabled")
            await audit.append(
                session,
                "user_disabled",
                actor=actor,
                subject=audit.Subject("user", user_id),
                clock=self.clock,
            )
        return len(revoked)

    async def enable(self, user_id: UUID, *, actor: audit.Actor = "command line") -> None:
        """Enable a user. Revoked sessions stay revoked.

        Args:
            user_id: The user.
            actor: Who does it, for the audit log.

        Raises:
            NotFound: There is no such user.
        """
        async with self.db.system("account changes", write=True) as session:
            await require_admin(session, actor)
            user = await session.require(User, user_id)
            user.disabled_at = None
            await audit.append(
                session,
                "user_enabled",
                actor=actor,
                subject=audit.Subject("user", user_id),
                clock=self.clock,
            )


async def find_user(db: Database, email: str) -> UUID:
    """The user that the operator names by an email.

    Raises:
        InvalidEmail: It is not an email.
        UserNotFound: No user has this email.
    """
    async with db.system("command line") as session:
        found = await session.exec(select(User.id).where(User.email == normalise(email)))
        user_id = found.first()
    if user_id is None:
        raise UserNotFound(f"No user has the email {email}.")
    return user_id
