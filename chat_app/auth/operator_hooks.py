"""The operator's hooks: functions, named in the settings, for every sign-in and every request."""

import importlib
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from uuid import UUID

from chat_app.core.errors import Unavailable
from chat_app.core.logging import log_unexpected_error
from chat_app.settings import ConfigError


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """A sign-in that is about to succeed.

    Args:
        method: `password`, `email`, `passkey` or `oauth`.
        provider: The provider's id in the settings; empty for the other methods.
        email: The user's email.
        email_verified: Whether it is verified.
        name: The display name.
        user_id: The user; None for a new one.
        is_new: Whether a user would be created.
        claims: The provider's claims.
    """

    method: str
    provider: str
    email: str
    email_verified: bool
    name: str
    user_id: UUID | None
    is_new: bool
    claims: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SessionContext:
    """The session of a request.

    Args:
        user_id: The user.
        email: Their current email.
        name: Their current display name.
        method: The login method.
        provider: The provider's id in the settings; empty for the other methods.
        claims: The provider's claims at sign-in.
    """

    user_id: UUID
    email: str
    name: str
    method: str
    provider: str
    claims: Mapping[str, Any] = field(default_factory=dict)


OnSignIn = Callable[[SignInAttempt], bool | Awaitable[bool | None] | None]
Claims = Mapping[str, Any]
_NONE: Claims = MappingProxyType({})
SessionHook = Callable[[SessionContext], Claims | Awaitable[Claims]]


class ClaimsUnavailable(Unavailable):
    """The operator's hook failed, so the claims are unknown."""

    def __init__(self) -> None:
        super().__init__("Your account can't be checked right now. Try again soon.")


def load_function(named: str, setting: str) -> Any:
    """The function that a setting names.

    Args:
        named: `package.module:function`, or empty.
        setting: The setting's name, for the error.

    Returns:
        The function, or None.

    Raises:
        ConfigError: There is none of that name.
    """
    if not named:
        return None
    module, _, name = named.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise ConfigError(f"{setting}: there is no {named}") from None
    if not callable(found):
        raise ConfigError(f"{setting}: {named} is not a function")
    return found


async def allows(hook: OnSignIn | None, attempt: SignInAttempt) -> bool:
    """Whether the operator's hook allows a sign-in. False and any failure deny it."""
    if hook is None:
        return True
    try:
        returned = hook(attempt)
        result = await returned if inspect.isawaitable(returned) else returned
    except Exception as error:  # the operator's code may raise anything; access is denied
        log_unexpected_error(error, "AUTH_ON_SIGN_IN")
        return False
    return result is not False


async def claims_of(hook: SessionHook | None, context: SessionContext) -> Claims:
    """The hook's claims of a session, as immutable JSON.

    Raises:
        ClaimsUnavailable: The hook failed, or returned no JSON object.
    """
    if hook is None:
        return _NONE
    try:
        returned = hook(context)
        result = await returned if inspect.isawaitable(returned) else returned
        return MappingProxyType(json.loads(json.dumps(dict(result), allow_nan=False)))
    except Exception as error:  # the operator's code may raise anything; access is denied
        log_unexpected_error(error, "AUTH_SESSION_HOOK")
        raise ClaimsUnavailable from None
