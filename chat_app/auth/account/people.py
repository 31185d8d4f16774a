"""What an admin does to users on the page: find, add, disable, delete, and change their role.

What the operator may do on the command line, an admin may do too, except to their own account, and
never so that no admin is left. The role is read again in the transaction of each change. The
actions themselves are those of the command line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError
from sqlmodel import and_, case, col, exists, func, or_, select

from chat_app import audit
from chat_app.audit.actions import Action
from chat_app.auth.account.administration import UserAdministration
from chat_app.auth.account.disable import UserAccess
from chat_app.auth.account.profile import clean_display_name
from chat_app.auth.account.roles import (
    require_admin,
    require_other_admin,
    require_verified,
    set_role,
)
from chat_app.auth.emails import normalise
from chat_app.auth.one_time_tokens import OneTimeTokens, revoke_tokens
from chat_app.auth.principal import Principal, SiteRole
from chat_app.auth.sessions.revocation import live
from chat_app.auth.sessions.service import SessionService
from chat_app.core.clock import Clock
from chat_app.core.errors import Conflict
from chat_app.core.signals import Bus
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import AuditEvent, AuditIdentity, AuthSession, Totp, User
from chat_app.settings import Settings

PAGE_SIZE = 25
"""How many users a page of the list has."""
LINK_LIFETIME = timedelta(days=3)
"""How long a link is valid by which a user chooses the password."""
_MAX_SEARCH = 100  # characters


class OwnAccount(Conflict):
    """An admin does this to themselves."""

    code = "own_account"

    def __init__(self) -> None:
        super().__init__("This is your own account. Change it in your settings.")


class UserExists(Conflict):
    """An admin adds a user who has an account."""

    code = "user_exists"

    def __init__(self) -> None:
        super().__init__("A user with this email already exists.")


class UserDisabled(Conflict):
    """A link would not let a disabled user in."""

    code = "user_disabled"

    def __init__(self) -> None:
        super().__init__("This user is disabled. Enable them first.")


@dataclass(frozen=True, slots=True)
class ListedUser:
    """A user as the list of an admin shows them.

    Args:
        id: The user.
        email: The normalised email.
        name: The display name; may be empty.
        created_at: When the account was created.
        last_seen_at: The last use of a session; None when there was none in the last month.
        has_signed_in: Whether they ever did, as far as is known.
        sessions: How many sessions are live.
        is_admin: Whether the user administers the installation.
        is_verified: Whether the email is verified.
        is_disabled: Whether the user is disabled.
        has_two_factor: Whether two-factor authentication is on.
    """

    id: UUID
    email: str
    name: str
    created_at: datetime
    last_seen_at: datetime | None
    has_signed_in: bool
    sessions: int
    is_admin: bool
    is_verified: bool
    is_disabled: bool
    has_two_factor: bool


@dataclass(frozen=True, slots=True)
class UserPage:
    """A page of the list.

    Args:
        users: By email.
        total: How many users match.
        number: Of this page, from 0.
    """

    users: list[ListedUser]
    total: int
    number: int

    @property
    def has_more(self) -> bool:
        """Whether there is a page after this one."""
        return (self.number + 1) * PAGE_SIZE < self.total


@dataclass(frozen=True, slots=True)
class People:
    """Lists and changes users for an admin. The caller has checked the role.

    Args:
        db: Stores users.
        bus: Receives a signal after every change.
        sessions: Revokes sessions.
        tokens: Creates the tokens of links.
        access: Disables and enables.
        administration: Deletes, and removes second factors.
        settings: The URL of links.
        clock: The time.
    """

    db: Database
    bus: Bus
    sessions: SessionService
    tokens: OneTimeTokens
    access: UserAccess
    administration: UserAdministration
    settings: Settings
    clock: Clock

    async def find(self, text: str, number: int = 0) -> UserPage:
        """A page of the users whose email or name contains a text.

        Args:
            text: As typed; empty for everyone.
            number: Of the page, from 0; one after the last is the last.
        """
        words = text.strip()[:_MAX_SEARCH]
        is_found = or_(
            *(col(one).icontains(words, autoescape=True) for one in (User.email, User.name))
        )
        is_live = case((and_(*live(self.clock())), 1))
        used = (
            select(
                AuthSession.user_id,
                func.max(AuthSession.last_seen_at).label("at"),
                func.count(is_live).label("live"),
            )
            .group_by(col(AuthSession.user_id))
            .subquery()
        )
        async with self.db.system("administration") as session:
            total = (await session.exec(select(func.count(col(User.id))).where(is_found))).one()
            number = max(0, min(number, (total - 1) // PAGE_SIZE))
            found = await session.exec(
                select(User, used.c.at, used.c.live, Totp.confirmed_at)
                .outerjoin(used, used.c.user_id == col(User.id))
                .outerjoin(Totp, col(Totp.user_id) == col(User.id))
                .where(is_found)
                .order_by(col(User.email))
                .offset(number * PAGE_SIZE)
                .limit(PAGE_SIZE)
            )
            rows = found.all()
            unseen = [user.id for user, seen_at, *_ in rows if seen_at is None]
            never_signed_in = await _never_signed_in(session, unseen)
            users = [
                ListedUser(
                    id=user.id,
                    email=user.email,
                    name=user.name,
                    created_at=user.created_at,
                    last_seen_at=seen_at,
                    has_signed_in=user.id not in never_signed_in,
                    sessions=sessions or 0,
                    is_admin=user.role == "admin",
                    is_verified=user.email_verified_at is not None,
                    is_disabled=user.disabled_at is not None,
                    has_two_factor=confirmed_at is not None,
                )
                for user, seen_at, sessions, confirmed_at in rows
            ]
        return UserPage(users, total, number)

    async def add_user(self, admin: Principal, email: str, name: str) -> str:
        """Add a user, who chooses the password by a link; the admin vouches for the email.

        Returns:
            The link, for the admin to pass on. Only its hash is stored.

        Raises:
            InvalidEmail, InvalidName: Invalid input.
            UserExists: The email has an account.
        """
        subject, now = normalise(email), self.clock()
        user = User(
            email=subject, name=clean_display_name(name), created_at=now, email_verified_at=now
        )
        try:
            async with self.db.system("administration", write=True) as session:
                await require_admin(session, admin)
                session.add(user)
                await session.flush()
                await audit.append(
                    session,
                    "user_created",
                    actor=admin,
                    subject=audit.Subject("user", user.id),
                    clock=self.clock,
                )
                token = await self._create_token(session, admin, user)
        except IntegrityError:
            raise UserExists from None
        return self._link(token)

    async def reset_link(self, admin: Principal, user_id: UUID) -> str:
        """A link by which a user chooses a new password; earlier ones die.

        Raises:
            OwnAccount: It is the admin's own account.
            NotFound: There is no such user.
            UserDisabled: The user is disabled.
        """
        _require_other(admin, user_id)
        async with self.db.system("administration", write=True) as session:
            await require_admin(session, admin)
            user = await session.require(User, user_id)
            if user.disabled_at is not None:
                raise UserDisabled
            await revoke_tokens(session, user_id, "reset_password")
            token = await self._create_token(session, admin, user)
        return self._link(token)

    async def disable(self, admin: Principal, user_id: UUID) -> None:
        """Disable a user; sessions, keys, tokens and running answers end at once.

        Raises:
            OwnAccount: It is the admin's own account.
            NotFound: There is no such user.
        """
        _require_other(admin, user_id)
        await self.access.disable(user_id, actor=admin, keeps_an_admin=True)

    async def enable(self, admin: Principal, user_id: UUID) -> None:
        """Let a disabled user sign in again.

        Raises:
            NotFound: There is no such user.
        """
        await self.access.enable(user_id, actor=admin)

    async def delete(self, admin: Principal, user_id: UUID) -> None:
        """Delete a user with everything they own. This can't be undone.

        Raises:
            OwnAccount: It is the admin's own account.
            NotFound: There is no such user.
        """
        _require_other(admin, user_id)
        await self.administration.delete(user_id, actor=admin, keeps_an_admin=True)

    async def end_sessions(self, admin: Principal, user_id: UUID) -> None:
        """Sign a user out everywhere; running answers stop.

        Raises:
            OwnAccount: It is the admin's own account.
            NotFound: There is no such user.
        """
        _require_other(admin, user_id)
        async with self.db.system("administration", write=True) as session:
            await require_admin(session, admin)
            await session.require(User, user_id)
            if await self.sessions.revoke_all(session, user_id, reason="revoked", actor=admin):
                return
            # no session has a row that says so, but tokens without one are refused from now on
            await audit.append(
                session,
                "session_ended",
                actor=admin,
                subject=audit.Subject("user", user_id),
                details={"reason": "revoked", "count": 0},
                clock=self.clock,
            )

    async def reset_two_factor(self, admin: Principal, user_id: UUID) -> None:
        """Turn off a user's two-factor authentication.

        Raises:
            OwnAccount: It is the admin's own account.
        """
        _require_other(admin, user_id)
        await self.administration.reset_two_factor(user_id, actor=admin)

    async def set_role(self, admin: Principal, user_id: UUID, role: SiteRole) -> None:
        """Make a user an admin, or take the role away; also from oneself.

        Raises:
            UserNotVerified: Mail is set up, and the user has not verified the email.
            LastAdmin: There would be no admin.
            NotFound: There is no such user.
        """
        async with self.db.system("administration", write=True) as session:
            await require_admin(session, admin)
            if role != "admin":
                await require_other_admin(session, user_id)
            else:
                require_verified(await session.require(User, user_id), self.settings)
            await set_role(session, self.bus, user_id, role, actor=admin)

    async def _create_token(self, session: SystemSession, admin: Principal, user: User) -> str:
        """A token whose use names the admin, and which ends with the admin's role."""
        await audit.append(
            session,
            "password_link_created",
            actor=admin,
            subject=audit.Subject("user", user.id),
            clock=self.clock,
        )
        return await self.tokens.create_in(
            session,
            "reset_password",
            lifetime=LINK_LIFETIME,
            user_id=user.id,
            subject=user.email,
            data={"issued_by": str(admin.user_id)},
        )

    def _link(self, token: str) -> str:
        return f"{self.settings.url}/reset/new#{token}"


async def _never_signed_in(session: SystemSession, user_ids: Sequence[UUID]) -> set[UUID]:
    """Those of some users without sessions who never had one, by the audit log.

    It knows of no sign-in before its own beginning: who is older than the log is left out.
    """
    actor, subject = AuditEvent.actor, AuditEvent.subject
    is_known = or_(_is_audited("user_created", actor), _is_audited("user_created", subject))
    found = await session.exec(
        select(User.id).where(col(User.id).in_(user_ids), is_known, ~_is_audited("sign_in", actor))
    )
    return set(found.all())


def _is_audited(action: Action, column: str) -> ColumnElement[bool]:
    """Whether the audit log has an action that names the user of a row in this column."""
    return exists().where(
        col(AuditIdentity.owner_id) == col(User.id),
        col(column) == col(AuditIdentity.audit_id),
        col(AuditEvent.action) == action,
    )


def _require_other(admin: Principal, user_id: UUID) -> None:
    """Refuse what an admin does in the settings, or would be locked out by."""
    if admin.user_id == user_id:
        raise OwnAccount
