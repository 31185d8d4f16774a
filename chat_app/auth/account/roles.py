"""The site role: who administers the installation.

A change is heard by every open page at once: the caches of sessions drop the user, and the user's
sockets are closed, so that their pages load again what the new role allows.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlmodel import col, select

from chat_app import audit
from chat_app.auth.one_time_tokens import revoke_issued_tokens
from chat_app.auth.principal import SiteRole
from chat_app.core.errors import Conflict, Forbidden
from chat_app.core.signals import ROLES, Bus, Signal
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import User
from chat_app.settings import Settings


class LastAdmin(Conflict):
    """The installation would have no admin."""

    code = "last_admin"

    def __init__(self) -> None:
        super().__init__("This is the only admin. Make another user an admin first.")


class UserNotVerified(Conflict):
    """The email of who is to be an admin may be another person's."""

    code = "user_not_verified"

    def __init__(self) -> None:
        super().__init__("This user has not verified the email yet, so it may not be theirs.")


@dataclass(frozen=True, slots=True)
class SiteRoles:
    """Gives users the site role, and takes it away.

    Args:
        db: Stores users.
        bus: Receives a signal after every change.
    """

    db: Database
    bus: Bus

    async def promote(self, user_id: UUID) -> bool:
        """Make a user an admin.

        Returns:
            Whether they were not one before.

        Raises:
            NotFound: There is no such user.
        """
        async with self.db.system("auth", write=True) as session:
            return await set_role(session, self.bus, user_id, "admin")

    async def demote(self, user_id: UUID, *, keeps_an_admin: bool = False) -> bool:
        """Take the role from an admin, also from the only one: the operator can promote again.

        Args:
            user_id: The user.
            keeps_an_admin: Whether to refuse to take it from the only one.

        Returns:
            Whether they were one before.

        Raises:
            LastAdmin: The user is the only admin, who is to be kept.
            NotFound: There is no such user.
        """
        async with self.db.system("auth", write=True) as session:
            if keeps_an_admin:
                await require_other_admin(session, user_id)
            return await set_role(session, self.bus, user_id, "")


async def set_role(
    session: SystemSession,
    bus: Bus,
    user_id: UUID,
    role: SiteRole,
    *,
    actor: audit.Actor = "command line",
) -> bool:
    """Change a user's role in the caller's transaction.

    Args:
        session: The transaction.
        bus: Receives the signal after the commit.
        user_id: The user.
        role: The new role.
        actor: Who does it, for the audit log.

    Returns:
        Whether they had another one before.

    Raises:
        NotFound: There is no such user.
    """
    user = await session.require(User, user_id)
    if user.role == role:
        return False
    previous, user.role = user.role, role
    await revoke_issued_tokens(session, user_id)
    await audit.append(
        session,
        "role_changed",
        actor=actor,
        subject=audit.Subject("user", user_id),
        details={"role": role or "none", "previous_role": previous or "none"},
    )
    session.publish(bus, ROLES, Signal("roles_changed", user_id=user_id))
    return True


def require_verified(user: User, settings: Settings) -> None:
    """Refuse to promote who may have typed another person's email.

    Args:
        user: Who is to be an admin.
        settings: Say whether there is mail: without it no email can be verified.

    Raises:
        UserNotVerified: There is, and the email is not verified.
    """
    if user.email_verified_at is None and settings.email_delivery == "smtp":
        raise UserNotVerified


async def enabled_admins(session: SystemSession) -> list[UUID]:
    """The admins who are not disabled, locked until the transaction ends."""
    is_admin = col(User.role) == "admin", col(User.disabled_at).is_(None)
    rows = await session.exec(
        select(User.id).where(*is_admin).order_by(col(User.id)).with_for_update()
    )
    return list(rows.all())


async def require_other_admin(session: SystemSession, user_id: UUID) -> None:
    """Refuse what would leave no admin, within the transaction that does it.

    Args:
        session: The transaction. The admins stay locked, so of two that remove each other one
            fails.
        user_id: Who will be an admin no more.

    Raises:
        LastAdmin: There is no other admin who can sign in.
    """
    if await enabled_admins(session) == [user_id]:
        raise LastAdmin


async def require_admin(session: SystemSession, actor: audit.Actor) -> None:
    """Refuse what an admin asks for whose role was taken meanwhile, within the transaction of it.

    Args:
        session: The transaction. The admins stay locked, so the role can't be taken before its end.
        actor: Who asks; the command line needs no role.

    Raises:
        Forbidden: They are no admin, or disabled.
    """
    if isinstance(actor, str):
        return
    user_id = actor if isinstance(actor, UUID) else actor.user_id
    if user_id not in await enabled_admins(session):
        raise Forbidden("You are no longer an admin.")
