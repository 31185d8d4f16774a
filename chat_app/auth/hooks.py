"""The operator's hooks: functions named by AUTH_ON_SIGN_IN and AUTH_SESSION_HOOK."""

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
        provider: The id of the identity provider; empty for the other methods.
        email: The email of the user.
        email_verified: Whether the email is verified.
        name: The display name.
        user_id: The user; None for a new one.
        is_new: Whether a user would be created.
        claims: The claims of the identity provider.
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
    """A session that is being resolved.

    Args:
        user_id: The user.
        email: Their current email.
        name: Their current display name.
        method: The method of the last authentication.
        provider: The id of the identity provider; empty for the other methods.
        claims: The claims of the identity provider at sign-in.
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
    """AUTH_SESSION_HOOK failed, so the permissions of the user are unknown."""

    def __init__(self) -> None:
        super().__init__("Your account can't be checked right now. Try again soon.")


def load_function(path: str, setting: str) -> Any:
    """Import the function that a setting names.

    Args:
        path: `package.module:function`; may be empty.
        setting: The setting, for the error.

    Returns:
        The function, or None.

    Raises:
        ConfigError: It does not exist or is not a function.
    """
    if not path:
        return None
    module, _, name = path.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise ConfigError(f"{setting}: there is no {path}") from None
    if not callable(function):
        raise ConfigError(f"{setting}: {path} is not a function")
    return function


async def allows(hook: OnSignIn | None, attempt: SignInAttempt) -> bool:
    """Whether AUTH_ON_SIGN_IN allows a sign-in. False or any exception refuses it."""
    if hook is None:
        return True
    try:
        result = hook(attempt)
        allowed = await result if inspect.isawaitable(result) else result
    except Exception as error:  # the operator's code: any exception refuses
        log_unexpected_error(error, "AUTH_ON_SIGN_IN")
        return False
    return allowed is not False


async def claims_of(hook: SessionHook | None, context: SessionContext) -> Claims:
    """The claims that AUTH_SESSION_HOOK returns for a session, as read-only plain JSON.

    Raises:
        ClaimsUnavailable: The hook failed or did not return a JSON object.
    """
    if hook is None:
        return _NONE
    try:
        result = hook(context)
        claims = await result if inspect.isawaitable(result) else result
        return MappingProxyType(json.loads(json.dumps(dict(claims), allow_nan=False)))
    except Exception as error:  # the operator's code: any exception refuses
        log_unexpected_error(error, "AUTH_SESSION_HOOK")
        raise ClaimsUnavailable from None
