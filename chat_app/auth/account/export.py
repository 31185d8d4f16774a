"""Export of the account, without threads: profile, login methods, API keys, organisations."""

from datetime import UTC, datetime
from typing import Any

from pydantic.alias_generators import to_camel
from sqlmodel import col, select

from chat_app import audit
from chat_app.auth.devices import device_label
from chat_app.auth.principal import Principal
from chat_app.auth.two_factor import confirmed_totp
from chat_app.db.engine import Database
from chat_app.db.tables import (
    Account,
    ApiKey,
    AuthSession,
    Membership,
    Organisation,
    Passkey,
    Picture,
    Table,
    User,
)


async def export_account(db: Database, principal: Principal) -> dict[str, Any]:
    """Profile, login methods, API keys and sessions as JSON values, without secrets and hashes.

    That it was asked for is in the audit log.

    Raises:
        NotFound: The user was deleted.
    """
    # a write of its own, so that no other write waits for what is read
    async with db.system("auth", write=True) as session:
        await session.require(User, principal.user_id)
        await audit.append(session, "account_exported", actor=principal)
    async with db.system("auth") as session:
        user = await session.require(User, principal.user_id)
        totp = await confirmed_totp(session, user.id)
        accounts = await session.exec(select(Account).where(col(Account.user_id) == user.id))
        passkeys = await session.exec(select(Passkey).where(col(Passkey.user_id) == user.id))
        keys = await session.exec(select(ApiKey).where(col(ApiKey.user_id) == user.id))
        memberships = await session.exec(
            select(Organisation.name, Membership)
            .join(Membership, col(Membership.org_id) == col(Organisation.id))
            .where(col(Membership.user_id) == user.id)
            .order_by(col(Membership.created_at))
        )
        sessions = await session.exec(
            select(AuthSession)
            .where(col(AuthSession.user_id) == user.id)
            .order_by(col(AuthSession.created_at))
        )
        return {
            "profile": {
                "id": str(user.id),
                **_fields(user, "email", "email_verified_at", "name", "created_at", "chosen_model"),
                "twoFactor": totp is not None,
            },
            "accounts": [
                _fields(row, "issuer", "subject", "email", "name", "created_at", "last_used_at")
                for row in accounts
            ],
            "passkeys": [_fields(row, "name", "created_at", "last_used_at") for row in passkeys],
            "apiKeys": [
                {
                    **_fields(row, "name", "created_at", "last_used_at", "expires_at"),
                    "scopes": row.scopes,
                }
                for row in keys
            ],
            "organisations": [
                {
                    "id": str(row.org_id),
                    "name": name,
                    "role": row.role,
                    "joinedAt": timestamp(row.created_at),
                }
                for name, row in memberships.all()
            ],
            "sessions": [
                {
                    "device": device_label(row.user_agent),
                    "network": row.address,
                    **_fields(row, "method", "created_at", "last_seen_at"),
                    "endedAt": timestamp(row.revoked_at),
                }
                for row in sessions
            ],
        }


def _fields(row: Table, *names: str) -> dict[str, str | None]:
    """Columns of a row as JSON values, named in camel case."""
    values = {to_camel(name): getattr(row, name) for name in names}
    return {
        name: timestamp(value) if isinstance(value, datetime) else value
        for name, value in values.items()
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
