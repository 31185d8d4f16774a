"""Add a row to the audit log, in the transaction of the change that it is about, and log it."""

import re
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypedDict
from uuid import UUID

from chat_app.audit.actions import SIGNALLED, Action
from chat_app.audit.encoding import canonical_json
from chat_app.core.clock import Clock, utc_now
from chat_app.core.logging import log_security_event, request_client, request_id
from chat_app.core.network import coarse_network
from chat_app.db.prepared import Transaction
from chat_app.db.scoped_session import ScopedSession, SystemSession
from chat_app.db.statements import APPEND_AUDIT_EVENT

DELETED_USER = "deleted user"
"""What stands for a user whose account is gone, or whom a scoped session does not reach."""


class HasUser(Protocol):
    """A principal."""

    @property
    def user_id(self) -> UUID:
        """The id of the user."""
        ...


Actor = HasUser | UUID | Literal["system", "command line", "anonymous"]
"""Who acts: a principal, the id of a user, or what acts without one."""

SubjectKind = Literal["user", "thread", "organisation", "invitation", "announcement"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What an action was done to.

    Args:
        kind: What it is.
        id: The id of its row. That of a user is replaced by a random one, whose meaning is deleted
            with the account.
    """

    kind: SubjectKind
    id: UUID


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from.

    Args:
        client_ip: The client; only its network is stored. Empty where there is none.
        request_id: The id of the request in the log.
    """

    client_ip: str = ""
    request_id: str = ""

    @classmethod
    def current(cls) -> "Origin":
        """That of the request or the socket that is handled."""
        return cls(request_client.get(), request_id.get())

    @classmethod
    def of_client(cls, client_ip: str) -> "Origin":
        """That of the request that is handled, whose client the caller knows."""
        return cls(client_ip, request_id.get())


class Details(TypedDict, total=False):
    """What else is known: codes, ids and counts; never an email, a name, a title or a text."""

    reason: str
    method: str
    provider: str
    second_factor: bool
    scopes: str
    error: str
    count: int
    minutes: int
    networks: int
    role: str
    previous_role: str
    session: UUID
    key: UUID
    passkey: UUID
    grant: UUID
    setting: str
    value: str
    format: str
    previous_key: str
    model: str


_KEYS = frozenset(Details.__annotations__)
_CODE = re.compile(r"[\w.:/ +\-]{0,100}", re.ASCII)
"""What a text in the details looks like: a code. It has no @, so it is no email."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row to add, made by `entry`."""

    values: dict[str, Any]
    fields: dict[str, Any]

    def append_to(self, transaction: Transaction) -> None:
        """Add the row in a transaction of prepared statements."""
        transaction.run(APPEND_AUDIT_EVENT, **self.values)

    def log(self) -> None:
        """Log it as a security event; called once the transaction has committed."""
        action: Action = self.values["action"]
        if action not in SIGNALLED:
            log_security_event(action, **self.fields)


def entry(
    action: Action,
    *,
    actor: Actor,
    subject: Subject | None = None,
    organisation: UUID | None = None,
    details: Details | None = None,
    request: Origin | None = None,
    clock: Clock = utc_now,
) -> Entry:
    """A row for a transaction of prepared statements, which may run in another thread.

    Args:
        action: What happened.
        actor: Who did it.
        subject: What it was done to; None for the actor themselves.
        organisation: In which organisation; None outside of one.
        details: What else is known of it; see `Details`.
        request: Where it came from; None for the request that is handled.
        clock: The time.

    Raises:
        ValueError: The details have a key that is not listed, or a text that is no code.
    """
    origin = request or Origin.current()
    plain = _plain(details or {})
    who = actor if isinstance(actor, str | UUID) else actor.user_id
    if subject is None and isinstance(who, UUID):
        subject = Subject("user", who)
    whom = subject.id if subject is not None and subject.kind == "user" else None
    user = whom or (who if isinstance(who, UUID) else None)
    values: dict[str, Any] = {
        "at": clock(),
        "action": action,
        "actor_user": who if isinstance(who, UUID) else None,
        "actor_word": DELETED_USER if isinstance(who, UUID) else who,
        "subject_kind": subject.kind if subject else "",
        "subject_user": whom,
        "subject_word": DELETED_USER if whom else str(subject.id) if subject else "",
        "org_id": organisation,
        "network": coarse_network(origin.client_ip),
        "request_id": origin.request_id,
        "details": canonical_json(plain) if plain else "",
    }
    fields: dict[str, Any] = {
        "user": user,
        "by": None if who in (user, "system", "anonymous") else who,
        "organisation": organisation,
        **({subject.kind: subject.id} if subject and not whom else {}),
        **(details or {}),
        "client": origin.client_ip,
    }
    return Entry(values, fields)


async def append(
    session: SystemSession | ScopedSession,
    action: Action,
    *,
    actor: Actor,
    subject: Subject | None = None,
    organisation: UUID | None = None,
    details: Details | None = None,
    request: Origin | None = None,
    clock: Clock = utc_now,
) -> None:
    """Add a row in the caller's transaction, and log it once that has committed.

    In a scoped session, users other than its owner have no identity: they are `DELETED_USER`.

    Args:
        session: The transaction of the change.
        action: What happened.
        actor: Who did it.
        subject: What it was done to; None for the actor themselves.
        organisation: In which organisation; None outside of one.
        details: What else is known of it; see `Details`.
        request: Where it came from; None for the request that is handled.
        clock: The time.

    Raises:
        ValueError: The details have a key that is not listed, or a text that is no code.
    """
    one = entry(
        action,
        actor=actor,
        subject=subject,
        organisation=organisation,
        details=details,
        request=request,
        clock=clock,
    )
    await session.append_audit(one.values)
    session.after_commit.append(one.log)


def _plain(details: Details) -> dict[str, str | int | bool]:
    """The details as JSON values; those without a value are left out."""
    found: dict[str, str | int | bool] = {}
    for name, value in details.items():
        if name not in _KEYS:
            raise ValueError(f"The audit log has no detail {name!r}.")
        if value in (None, ""):
            continue
        if not isinstance(value, int):
            value = str(value)
            if not _CODE.fullmatch(value):
                raise ValueError(f"The detail {name!r} of the audit log is no code.")
        found[name] = value
    return found
