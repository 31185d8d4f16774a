"""Export of the account: profile, login methods and sessions, without threads."""

from datetime import UTC, datetime
from typing import Any

from sqlmodel import col, select

from chat_app.auth.devices import device_name
from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound
from chat_app.db.engine import Database
from chat_app.db.tables import Account, AuthSession, Passkey, Picture, Totp, User


async def export_account(db: Database, principal: Principal) -> dict[str, Any]:
    """Profile, login methods and sessions as JSON values, without secrets and hashes.

    Raises:
        NotFound: The user was deleted.
    """
    user_id = principal.user_id
    async with db.system("auth") as session:
        user = await session.get(User, user_id)
        if user is None:
            raise NotFound
        accounts = (
            await session.exec(select(Account).where(col(Account.user_id) == user_id))
        ).all()
        keys = (await session.exec(select(Passkey).where(col(Passkey.user_id) == user_id))).all()
        totp = await session.get(Totp, user_id)
        sessions = (
            await session.exec(
                select(AuthSession)
                .where(col(AuthSession.user_id) == user_id)
                .order_by(col(AuthSession.created_at))
            )
        ).all()
    return {
        "profile": {
            "id": str(user.id),
            "email": user.email,
            "emailVerifiedAt": timestamp(user.email_verified_at),
            "name": user.name,
            "createdAt": timestamp(user.created_at),
            "twoFactor": totp is not None and totp.confirmed_at is not None,
        },
        "accounts": [
            {
                "issuer": row.issuer,
                "subject": row.subject,
                "email": row.email,
                "name": row.name,
                "createdAt": timestamp(row.created_at),
                "lastUsedAt": timestamp(row.last_used_at),
            }
            for row in accounts
        ],
        "passkeys": [
            {
                "name": row.name,
                "createdAt": timestamp(row.created_at),
                "lastUsedAt": timestamp(row.last_used_at),
            }
            for row in keys
        ],
        "sessions": [
            {
                "device": device_name(row.user_agent),
                "network": row.address,
                "method": row.method,
                "createdAt": timestamp(row.created_at),
                "lastSeenAt": timestamp(row.last_seen_at),
                "endedAt": timestamp(row.revoked_at),
            }
            for row in sessions
        ],
    }


async def picture_of(db: Database, principal: Principal) -> tuple[str, bytes] | None:
    """The user's picture: media type and bytes."""
    async with db.system("auth") as session:
        found = await session.get(Picture, principal.user_id)
    return None if found is None else (found.media_type, found.content)


def timestamp(time: datetime | None) -> str | None:
    """A time as ISO 8601 in UTC."""
    if time is None:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
