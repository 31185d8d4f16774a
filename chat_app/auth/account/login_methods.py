"""Login methods: the last one cannot be removed; an unverified account can be claimed."""

from datetime import datetime
from uuid import UUID

from sqlmodel import col, delete, func, select, update

from chat_app.auth.account.profile import truncate_display_name
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


async def claim_unverified_account(
    session: SystemSession, sessions: SessionService, user_id: UUID, now: datetime
) -> None:
    """Remove every login method of an account, end its sessions and keys, verify its email.

    Args:
        session: The transaction of the caller, who adds the new login method.
        sessions: Revokes the account's sessions and API keys.
        user_id: The user.
        now: The time.
    """
    for table in _METHOD_TABLES:
        await session.exec(delete(table).where(col(table.user_id) == user_id))
    await revoke_tokens(session, user_id)
    await session.exec(update(User).where(col(User.id) == user_id).values(email_verified_at=now))
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
