"""Deleting an account with everything in it, by its user or by the operator."""

from sqlmodel import col, delete, select

from chat_app import audit
from chat_app.auth.emails import normalise
from chat_app.auth.errors import InvalidEmail
from chat_app.auth.keys.revocation import revoke_credentials
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.service import SessionService
from chat_app.core.errors import Conflict, InvalidInput
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import (
    ACTIVE,
    Membership,
    Message,
    OneTimeToken,
    Organisation,
    Run,
    Thread,
    User,
)


class OnlyOwner(Conflict):
    """The user is the only owner of an organisation."""

    code = "only_owner"

    def __init__(self) -> None:
        super().__init__(
            "This account is the only owner of an organisation. Make another member an owner of "
            "it, or delete it, first."
        )


class DeletionNotConfirmed(InvalidInput):
    """The typed email is not the account's."""

    code = "not_confirmed"

    def __init__(self) -> None:
        super().__init__("Type your account's email to delete it.")


async def delete_account(
    db: Database, sessions: SessionService, principal: Principal, confirm: str
) -> None:
    """Delete the user: accounts, sessions, threads, tokens. This can't be undone.

    Everything is deleted in one transaction; sockets, requests and runs end right after.

    Args:
        db: Stores users.
        sessions: Revokes their sessions.
        principal: The user.
        confirm: Their email, as typed.

    Raises:
        DeletionNotConfirmed: It is another email; nothing has changed.
        NotFound: The user was deleted already.
        OnlyOwner: An organisation would have no owner; nothing has changed.
    """
    async with db.system("auth", write=True, read_committed=True) as session:
        user = await session.require(User, principal.user_id)
        if not _is_same(confirm, user.email):
            raise DeletionNotConfirmed
        await delete_user(session, sessions, user, actor=principal)


async def delete_user(
    session: SystemSession, sessions: SessionService, user: User, *, actor: audit.Actor
) -> None:
    """Delete a user in the caller's transaction.

    Args:
        session: The transaction, one that sees what others commit meanwhile (`read_committed`).
        sessions: Revokes the user's sessions and API keys.
        user: The user.
        actor: Who deletes them, for the audit log.

    Raises:
        OnlyOwner: An organisation would have no owner.
    """
    await _require_other_owners(session, user)
    await _lock_chats(session, user)
    await revoke_credentials(session, sessions, user.id, reason="removed")
    # A sign-up that is not confirmed has only the email.
    await session.exec(delete(OneTimeToken).where(col(OneTimeToken.subject) == user.email))
    # its subject loses its name at once, with the identity of the user
    deleted = audit.Subject("user", user.id)
    await audit.append(session, "user_deleted", actor=actor, subject=deleted)
    await session.exec(delete(User).where(col(User.id) == user.id))


async def _require_other_owners(session: SystemSession, user: User) -> None:
    """Refuse a user without whom an organisation has no owner; its members stay locked."""
    is_own = col(Membership.user_id) == user.id, col(Membership.role) == "owner"
    owned = select(Membership.org_id).where(*is_own)
    locked = await session.exec(
        select(Organisation.id)
        .where(col(Organisation.id).in_(owned))
        .order_by(col(Organisation.id))
        .with_for_update()
    )
    org_ids = set(locked.all())
    others = await session.exec(
        select(Membership.org_id).where(
            col(Membership.org_id).in_(org_ids),
            col(Membership.role) == "owner",
            col(Membership.user_id) != user.id,
        )
    )
    if org_ids - set(others.all()):
        raise OnlyOwner


async def _lock_chats(session: SystemSession, user: User) -> None:
    """Let what writes the user's chats finish, and wait from now on.

    It locks in the order in which those transactions do (thread, message, run; by id), so that none
    of them waits for this one while this one waits for it. On SQLite they wait anyway.
    """
    answering = col(Message.status) == "running", col(Message.owner_id) == user.id
    active = col(Run.status).in_(ACTIVE), col(Run.owner_id) == user.id
    for rows in (
        select(User.id).where(col(User.id) == user.id),
        select(Thread.id).where(col(Thread.owner_id) == user.id).order_by(col(Thread.id)),
        select(Message.id).where(*answering).order_by(col(Message.id)),
        select(Run.id).where(*active).order_by(col(Run.id)),
    ):
        await session.exec(rows.with_for_update())


def _is_same(typed: str, email: str) -> bool:
    try:
        return normalise(typed) == email
    except InvalidEmail:
        return False
