"""What goes into a sign-in and what comes out, whichever way somebody came."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from chat_app.auth.session_views import Issued

Method = Literal["password", "email", "passkey", "oauth"]


@dataclass(frozen=True, slots=True)
class Proof:
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
class Admitted:
    """They are in.

    Args:
        issued: The new session.
        user_id: The person.
    """

    issued: Issued
    user_id: UUID


@dataclass(frozen=True, slots=True)
class Challenged:
    """They must show a second factor first; there is no session yet.

    Args:
        token: Stands for what they have proved so far; for a cookie, never for a URL.
        lasts: How long they have.
    """

    token: str
    lasts: timedelta
