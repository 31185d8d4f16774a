"""Login methods: the last one cannot be removed; an unverified account can be claimed."""

from datetime import datetime
from uuid import UUID

from sqlmodel import SQLModel, col, delete, func, select, update

from chat_app import audit
from chat_app.audit.actions import Action
from chat_app.auth.account.profile import truncate_display_name
from chat_app.auth.account.roles import set_role
from chat_app.auth.errors import LastLoginMethod
from chat_app.auth.keys.revocation import revoke_credentials
from chat_app.auth.one_time_tokens import revoke_tokens
from chat_app.auth.sessions.service import SessionService
from chat_app.auth.sign_in.identity import VerifiedIdentity
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import Account, BackupCode, Passkey, RememberedDevice, Totp, User


async def require_login_method(session: SystemSession, user_id: UUID) -> None:
    """Check that the user can still sign in.

    Called after a removal in the same write transaction, which the error rolls back. A mailbox
    counts only for an account that signs in by magic link: others may be unverified.

    Raises:
        LastLoginMethod: No login method is left.
    """
    # Concurrent removals must not each count the other's method; SQLite has one writer.
    await session.exec(select(User.id).where(col(User.id) == user_id).with_for_update())
    for table in (Account, Passkey):
        count = select(func.count()).select_from(table).where(col(table.user_id) == user_id)
        if (await session.exec(count)).one():
            return
    raise LastLoginMethod


_METHOD_TABLES = (Account, Passkey, Totp, BackupCode, RememberedDevice)
_REMOVALS: dict[type[SQLModel], Action] = {
    Account: "login_method_removed",
    Passkey: "passkey_removed",
    Totp: "second_factor_off",
}


async def claim_unverified_account(
    session: SystemSession, sessions: SessionService, user_id: UUID, now: datetime
) -> None:
    """Remove every login method of an account and its role, end its sessions and keys, verify it.

    Args:
        session: The transaction of the caller, who adds the new login method.
        sessions: Revokes the account's sessions and API keys.
        user_id: The user.
        now: The time.
    """
    has_second_factor = col(Totp.user_id) == user_id, col(Totp.confirmed_at).is_not(None)
    second_factor = (await session.exec(select(Totp.user_id).where(*has_second_factor))).first()
    for table in _METHOD_TABLES:
        removed = await session.exec(delete(table).where(col(table.user_id) == user_id))
        if not removed.rowcount or (table is Totp and second_factor is None):
            continue
        if table in _REMOVALS:
            await audit.append(
                session,
                _REMOVALS[table],
                actor="system",
                subject=audit.Subject("user", user_id),
                details={"reason": "taken_over", "count": removed.rowcount},
            )
    await revoke_tokens(session, user_id)
    # who had it first has not shown that the email is theirs, so the role was not meant for them
    await set_role(session, sessions.bus, user_id, "", actor="system")
    await session.exec(update(User).where(col(User.id) == user_id).values(email_verified_at=now))
    await audit.append(session, "email_verified", actor=user_id)
    await revoke_credentials(session, sessions, user_id, reason="taken_over")


def new_account(user_id: UUID, identity: VerifiedIdentity, now: datetime) -> Account:
    """The row that lets a user sign in with an identity."""
    return Account(
        user_id=user_id,
        issuer=identity.issuer,
        subject=identity.subject,
        provider=identity.provider,
        email=identity.email,
        name=truncate_display_name(identity.name),
        created_at=now,
    )
