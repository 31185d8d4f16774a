"""What goes into a sign-in and what comes out, whichever way somebody came."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from chat_app.auth.errors import AccessDenied, AccountNotLinked, EmailRequired, SignUpClosed
from chat_app.auth.sessions.models import IssuedSession

Method = Literal["password", "email", "passkey", "oauth"]


@dataclass(frozen=True, slots=True)
class VerifiedIdentity:
    """What somebody has just proved. Whoever makes one has checked it.

    Args:
        method: How.
        issuer: Who vouches: a provider's issuer, or `password`, `email`, `passkey`.
        subject: Who they are to the issuer; with it the key of an account.
        email: Their normalised address as the issuer says; empty when it says none.
        email_verified: Whether the issuer vouches for the address too.
        name: What the issuer calls them.
        provider: The provider's id in the settings, if it is one.
        user_id: The person, where the proof itself names one of ours (a passkey).
        is_strong: Whether it counts as two factors: a passkey that verified its user.
        claims: What else a provider says.
    """

    method: Method
    issuer: str
    subject: str
    email: str = ""
    email_verified: bool = False
    name: str = ""
    provider: str = ""
    user_id: UUID | None = None
    is_strong: bool = False
    claims: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a sign-in happens.

    Args:
        address: The client's address.
        user_agent: The browser's own name.
        replaces: The session it has until now, of whomever: that one ends.
        remember: Whether the new session may outlive the browser.
        device: The token by which it is remembered as somebody's own, if any.
    """

    address: str
    user_agent: str
    replaces: UUID | None = None
    remember: bool = False
    device: str | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """They are in.

    Args:
        issued: The new session.
        user_id: The person.
    """

    issued: IssuedSession
    user_id: UUID


@dataclass(frozen=True, slots=True)
class MfaRequired:
    """They must show a second factor first; there is no session yet.

    Args:
        token: Stands for what they have proved so far; for a cookie, never for a URL.
        lasts: How long they have.
    """

    token: str
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class ExistingUser:
    """A person of ours, as far as the rules look.

    Args:
        user_id: Who.
        email: Their address.
        is_verified: Whether they have proved that it is theirs.
        is_disabled: Whether the operator has shut them out.
    """

    user_id: UUID
    email: str
    is_verified: bool
    is_disabled: bool


@dataclass(frozen=True, slots=True)
class SignInAs:
    """Open this person's account."""

    user: ExistingUser


@dataclass(frozen=True, slots=True)
class ClaimUnverified:
    """Clear this account of every way in but this one, and open it."""

    user: ExistingUser


@dataclass(frozen=True, slots=True)
class CreateUser:
    """Make a new person."""


Decision = SignInAs | ClaimUnverified | CreateUser


def resolve_account(
    identity: VerifiedIdentity,
    owner: ExistingUser | None,
    holder: ExistingUser | None,
    *,
    may_create: bool,
    may_take_over: bool,
) -> Decision:
    """Whose account a proof opens.

    Args:
        proof: What was proved.
        owner: Whom the proof's issuer and subject belong to, or whom the proof itself names.
        holder: Who has the proof's e-mail address.
        may_create: Whether this stranger may get an account.
        may_take_over: Whether an account that was never proved may be cleared.

    Raises:
        AccessDenied: The person is disabled.
        EmailRequired: A stranger without an address.
        SignUpClosed: A stranger, and strangers get no account.
        AccountNotLinked: The address is somebody's.
    """
    if owner is not None:
        if owner.is_disabled:
            raise AccessDenied
        return SignInAs(owner)
    if not identity.email:
        raise EmailRequired
    if holder is None:
        if not may_create:
            raise SignUpClosed
        return CreateUser()
    if holder.is_disabled:
        raise AccessDenied
    if holder.is_verified:
        # Whoever reads a mailbox that was proved is its account's person.
        if identity.method == "email":
            return SignInAs(holder)
        raise AccountNotLinked
    if not (identity.email_verified and may_take_over):
        raise AccountNotLinked
    return ClaimUnverified(holder)


def domain_of(email: str) -> str:
    """What stands behind the `@`."""
    return email.rpartition("@")[2]


def has_claim(required: str, identity: VerifiedIdentity) -> bool:
    """Whether a proof's claims hold what `claim:value` asks for; a list must have the value.

    Args:
        required: From a provider's settings; empty asks for nothing.
        proof: What was proved.
    """
    if not required:
        return True
    name, _, value = required.partition(":")
    said = identity.claims.get(name)
    values = said if isinstance(said, list | tuple) else [said]
    return value in [one for one in values if isinstance(one, str)]
