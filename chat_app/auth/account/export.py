"""What is kept about a person outside their conversations, as they may take it away."""

from datetime import UTC, datetime
from typing import Any

from sqlmodel import col, select

from chat_app.auth.devices import device_name
from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound
from chat_app.db.engine import Database
from chat_app.db.tables import Account, AuthSession, Passkey, Picture, Totp, User


async def export_account(db: Database, principal: Principal) -> dict[str, Any]:
    """Profile, ways in and sessions, as JSON values. No secret and no hash is among them.

    Raises:
        NotFound: The person is gone.
    """
    mine = principal.user_id
    async with db.system("auth") as session:
        user = await session.get(User, mine)
        if user is None:
            raise NotFound
        accounts = (await session.exec(select(Account).where(col(Account.user_id) == mine))).all()
        keys = (await session.exec(select(Passkey).where(col(Passkey.user_id) == mine))).all()
        totp = await session.get(Totp, mine)
        visits = (
            await session.exec(
                select(AuthSession)
                .where(col(AuthSession.user_id) == mine)
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
                "issuer": one.issuer,
                "subject": one.subject,
                "email": one.email,
                "name": one.name,
                "createdAt": timestamp(one.created_at),
                "lastUsedAt": timestamp(one.last_used_at),
            }
            for one in accounts
        ],
        "passkeys": [
            {
                "name": one.name,
                "createdAt": timestamp(one.created_at),
                "lastUsedAt": timestamp(one.last_used_at),
            }
            for one in keys
        ],
        "sessions": [
            {
                "device": device_name(one.user_agent),
                "network": one.address,
                "method": one.method,
                "createdAt": timestamp(one.created_at),
                "lastSeenAt": timestamp(one.last_seen_at),
                "endedAt": timestamp(one.revoked_at),
            }
            for one in visits
        ],
    }


async def picture_of(db: Database, principal: Principal) -> tuple[str, bytes] | None:
    """The person's picture: its media type and its bytes."""
    async with db.system("auth") as session:
        found = await session.get(Picture, principal.user_id)
    return None if found is None else (found.media_type, found.content)


def timestamp(time: datetime | None) -> str | None:
    """A time as ISO 8601 in UTC."""
    if time is None:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
