"""Functions of the operator's that are asked along the way, named in the settings."""

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
    """A sign-in that is about to be let through.

    Args:
        method: `password`, `email`, `passkey` or `oauth`.
        provider: The provider's id in the settings; empty for the other methods.
        email: The person's address.
        email_verified: Whether somebody vouches for it.
        name: What they are called.
        user_id: The person; None for one who would be new.
        is_new: Whether an account would be made.
        claims: What the provider says of them.
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
    """A session that somebody asks something in.

    Args:
        user_id: The person.
        email: Their address now.
        name: What they are called now.
        method: How they last proved who they are.
        provider: The provider's id in the settings; empty for the other methods.
        claims: What the provider said of them when they signed in.
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
    """The operator's function failed, so nobody can say what this person may do."""

    def __init__(self) -> None:
        super().__init__("Your account can't be checked right now. Try again soon.")


def load_function(named: str, setting: str) -> Any:
    """The function that a setting names.

    Args:
        named: `package.module:function`; empty names none.
        setting: The setting, for the error.

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
    """Whether the operator's function lets somebody in. False and any failure say no."""
    if hook is None:
        return True
    try:
        answer = hook(attempt)
        said = await answer if inspect.isawaitable(answer) else answer
    except Exception as error:  # somebody else's code: whatever it raises, nobody gets in
        log_unexpected_error(error, "AUTH_ON_SIGN_IN")
        return False
    return said is not False


async def claims_of(hook: SessionHook | None, seen: SessionContext) -> Claims:
    """What the operator's function says of a session now, as plain JSON that nobody can change.

    Raises:
        NoClaims: The function failed, or said something that is no JSON object.
    """
    if hook is None:
        return _NONE
    try:
        answer = hook(seen)
        said = await answer if inspect.isawaitable(answer) else answer
        return MappingProxyType(json.loads(json.dumps(dict(said), allow_nan=False)))
    except Exception as error:  # somebody else's code: whatever it raises, nobody gets in
        log_unexpected_error(error, "AUTH_SESSION_HOOK")
        raise ClaimsUnavailable from None
