"""Deleting an account with everything in it, by its user or by the operator."""

from sqlmodel import col, delete, select

from chat_app import audit
from chat_app.auth.account.memberships import (
    end_memberships,
    lock_organisations,
    require_no_other,
    revoke_invitations,
)
from chat_app.auth.account.roles import require_other_admin
from chat_app.auth.emails import normalise
from chat_app.auth.errors import InvalidEmail
from chat_app.auth.grants import end_grants
from chat_app.auth.keys.revocation import revoke_credentials
from chat_app.auth.one_time_tokens import revoke_issued_tokens
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.service import SessionService
from chat_app.core.clock import Clock, utc_now
from chat_app.core.errors import InvalidInput
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import (
    ACTIVE,
    Invitation,
    Message,
    OneTimeToken,
    ReadingGrant,
    Run,
    Thread,
    User,
)
from chat_app.usage.ledger import disown_usage


class DeletionNotConfirmed(InvalidInput):
    """The typed email is not the account's."""

    code = "not_confirmed"

    def __init__(self) -> None:
        super().__init__("Type your account's email to delete it.")


async def delete_account(
    db: Database, sessions: SessionService, principal: Principal, confirm: str
) -> None:
    """Delete the user: accounts, sessions, threads, tokens. This can't be undone.

    An organisation of which the user is the only member is deleted too. All of it happens in one
    transaction; sockets, requests and runs end right after.

    Args:
        db: Stores users.
        sessions: Revokes their sessions.
        principal: The user.
        confirm: Their email, as typed.

    Raises:
        DeletionNotConfirmed: It is another email; nothing has changed.
        LastAdmin: Others use the installation, and it would have no admin; nothing has changed.
        NotFound: The user was deleted already.
        OnlyOwner: An organisation would have no owner; nothing has changed.
        Conflict: The user has joined an organisation meanwhile; nothing has changed.
    """
    async with db.system("auth", write=True, read_committed=True) as session:
        user = await session.require(User, principal.user_id)
        if not _is_same(confirm, user.email):
            raise DeletionNotConfirmed
        if user.role == "admin" and await _has_others(session, user):
            await require_other_admin(session, user.id)
        await delete_user(session, sessions, user, actor=principal)


async def delete_user(
    session: SystemSession,
    sessions: SessionService,
    user: User,
    *,
    actor: audit.Actor,
    clock: Clock = utc_now,
) -> None:
    """Delete a user in the caller's transaction.

    Args:
        session: The transaction, one that sees what others commit meanwhile (`read_committed`).
        sessions: Revokes the user's sessions and API keys.
        user: The user.
        actor: Who deletes them, for the audit log. Where others do, an organisation that would have
            no owner gets another one.
        clock: The time in rows.

    Raises:
        OnlyOwner: An organisation would have no owner, and its user is the actor.
        Conflict: The user has joined an organisation meanwhile.
    """
    now = clock()
    org_ids = await lock_organisations(session, user.id)
    await end_memberships(session, sessions.bus, user, org_ids, actor=actor, now=now)
    await revoke_invitations(session, user.id, actor=actor, now=now)
    await session.exec(delete(Invitation).where(col(Invitation.email) == user.email))
    await _lock_chats(session, user)
    await require_no_other(session, user.id, org_ids)
    await revoke_credentials(session, sessions, user.id, reason="removed")
    await revoke_issued_tokens(session, user.id)
    # A sign-up that is not confirmed has only the email.
    await session.exec(delete(OneTimeToken).where(col(OneTimeToken.subject) == user.email))
    is_read = col(ReadingGrant.owner_id) == user.id
    await end_grants(session, sessions.bus, is_read, actor=actor, reason="removed", now=now)
    # its subject loses its name at once, with the identity of the user
    deleted = audit.Subject("user", user.id)
    await audit.append(session, "user_deleted", actor=actor, subject=deleted)
    await disown_usage(session, user.id)
    await session.exec(delete(User).where(col(User.id) == user.id))


async def _has_others(session: SystemSession, user: User) -> bool:
    others = await session.exec(select(User.id).where(col(User.id) != user.id).limit(1))
    return others.first() is not None


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
