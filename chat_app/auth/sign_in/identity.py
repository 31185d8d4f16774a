"""The input and the results of a sign-in, and the rule for which account an identity opens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from chat_app.auth.errors import AccessDenied, AccountNotLinked, AuthError, EmailRequired
from chat_app.auth.sessions.models import IssuedSession

Method = Literal["password", "email", "passkey", "oauth"]


@dataclass(frozen=True, slots=True)
class VerifiedIdentity:
    """An identity that a login method has verified.

    Args:
        method: The login method.
        issuer: A provider's issuer, or `password`, `email`, `passkey`.
        subject: The issuer's key of the user; with the issuer the key of an account.
        email: The normalised email from the issuer; empty when there is none.
        email_verified: Whether the issuer verified the email.
        name: The display name from the issuer.
        provider: The identity provider's id in the settings, if it is one.
        user_id: The user, where the method itself names one (a passkey).
        is_strong: Whether it counts as two factors: a passkey with user verification.
        claims: Further claims of a provider.
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
    """The client of a sign-in.

    Args:
        client_ip: The client's IP address.
        user_agent: Its User-Agent header.
        replaces: Its current session, which is revoked, whichever user's it is.
        remember: Whether the new session outlives the browser.
        device: The token of a remembered device, if any.
    """

    client_ip: str
    user_agent: str
    replaces: UUID | None = None
    remember: bool = False
    device: str | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The sign-in succeeded.

    Args:
        issued: The new session.
        user_id: The user.
    """

    issued: IssuedSession
    user_id: UUID


@dataclass(frozen=True, slots=True)
class MfaRequired:
    """A second factor is required first; there is no session yet.

    Args:
        token: The challenge; for a cookie, never for a URL.
        lifetime: How long it is valid.
    """

    token: str
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class ExistingUser:
    """What the rules need to know of a user.

    Args:
        user_id: The user.
        email: Their email.
        is_verified: Whether the email is verified.
        is_disabled: Whether the operator disabled the user.
    """

    user_id: UUID
    email: str
    is_verified: bool
    is_disabled: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """Which user an identity signs in as.

    Args:
        user: The existing user; None creates one.
        claims_account: Whether every other login method of this user is removed first.
    """

    user: ExistingUser | None
    claims_account: bool = False


def resolve_account(
    identity: VerifiedIdentity,
    owner: ExistingUser | None,
    email_owner: ExistingUser | None,
    *,
    refusal: AuthError | None = None,
    may_claim: bool,
) -> Decision:
    """Decide which user an identity signs in as.

    Args:
        identity: The verified identity.
        owner: The user of the identity's account, or the one that the identity names.
        email_owner: The user with the identity's email.
        refusal: Why no new user may be created; None if one may.
        may_claim: Whether an account with an unverified email may be claimed.

    Raises:
        AccessDenied: The user is disabled.
        EmailRequired: A new user without an email.
        AuthError: The refusal: no new user may be created.
        AccountNotLinked: The email belongs to another account.
    """
    if owner is not None:
        if owner.is_disabled:
            raise AccessDenied
        return Decision(owner)
    if not identity.email:
        raise EmailRequired
    if email_owner is None:
        if refusal is not None:
            raise refusal
        return Decision(None)
    if email_owner.is_disabled:
        raise AccessDenied
    if email_owner.is_verified:
        # A verified mailbox proves the account; no other method links by email.
        if identity.method == "email":
            return Decision(email_owner)
        raise AccountNotLinked
    if not (identity.email_verified and may_claim):
        raise AccountNotLinked
    return Decision(email_owner, claims_account=True)


def domain_of(email: str) -> str:
    """The domain of an email."""
    return email.rpartition("@")[2]


def has_claim(required: str, identity: VerifiedIdentity) -> bool:
    """Whether an identity has the claim `name:value`; a list claim must contain the value.

    Args:
        required: From a provider's settings; empty requires nothing.
        identity: The verified identity.
    """
    if not required:
        return True
    name, _, value = required.partition(":")
    claim = identity.claims.get(name)
    values = claim if isinstance(claim, list | tuple) else [claim]
    return any(isinstance(item, str) and item == value for item in values)
