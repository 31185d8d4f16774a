"""Scopes: what an API key may do, and the errors of keys and tokens that may not."""

from typing import get_args

from chat_app.auth.principal import Principal, Scope
from chat_app.core.errors import ChatError, Forbidden, Unauthenticated

SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Every scope, in the order in which they are shown."""


class MissingApiKey(Unauthenticated):
    """The request has no credential, and its API takes no session.

    Args:
        takes_token: Whether a cloud token would do as well.
    """

    def __init__(self, *, takes_token: bool = False) -> None:
        super().__init__(
            "Send a token of POST /api/cloud/token or an API key, as a bearer token."
            if takes_token
            else "Send an API key, as a bearer token or in x-api-key."
        )


class InvalidApiKey(Unauthenticated):
    """The key is malformed, unknown, expired or revoked; one response for all."""

    code = "invalid_api_key"

    def __init__(self) -> None:
        super().__init__("This API key is not valid here. It may have expired or been revoked.")


class InvalidCloudToken(Unauthenticated):
    """The token is forged or expired, or its credential is over; one response for all."""

    code = "invalid_token"

    def __init__(self) -> None:
        super().__init__("This token is not valid. It may have expired, or its session has ended.")


class SeveralCredentials(ChatError):
    """More than one key in a request: it must not matter which one is read."""

    code = "several_credentials"

    def __init__(self) -> None:
        super().__init__("Send one API key, in Authorization or in x-api-key.")


class ApiKeyNotAllowed(Forbidden):
    """The route is for sessions only."""

    code = "api_key_not_allowed"

    def __init__(self) -> None:
        super().__init__("An API key can't be used here.")


class InsufficientScope(Forbidden):
    """The key lacks the scope of the route (RFC 6750 §3.1)."""

    code = "insufficient_scope"

    def __init__(self, scope: Scope) -> None:
        super().__init__(f"This API key lacks the scope {scope}.")
        self.scope = scope


def credential_ended(principal: Principal) -> Unauthenticated:
    """The error of a request whose credential ended after it was let in."""
    if principal.by_cloud_token:
        return InvalidCloudToken()
    return Unauthenticated() if principal.scopes is None else InvalidApiKey()


def require_scope(principal: Principal, scope: Scope | None) -> None:
    """Refuse a key on a route that it may not use. A session may use every route.

    Args:
        principal: The principal of the request.
        scope: The scope of the route; None refuses every key.

    Raises:
        ApiKeyNotAllowed: The route has no scope.
        InsufficientScope: The key lacks it.
    """
    if principal.scopes is None:
        return
    if scope is None:
        raise ApiKeyNotAllowed
    if scope not in principal.scopes:
        raise InsufficientScope(scope)
