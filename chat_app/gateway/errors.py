"""Errors that the gateway responds with by itself, and which requests get one."""

from chat_app.api.errors import MethodNotAllowed
from chat_app.auth.keys.scopes import MissingApiKey, SeveralCredentials
from chat_app.core.errors import ChatError, Conflict, Forbidden, NotFound, Unauthenticated
from chat_app.gateway.origins import UNSAFE_METHODS
from chat_app.gateway.paths import RouteKind, is_api
from chat_app.gateway.request_context import RequestContext

SAFE_METHODS = frozenset({"GET", "HEAD"})


class UnknownHost(ChatError):
    """The server is not configured for the Host header of the request."""

    code = "host"
    status = 421

    def __init__(self) -> None:
        super().__init__(
            "This server is not configured for this host. Set APP_URL to the URL people use, or "
            "add this one to APP_ORIGINS."
        )


class ForeignOrigin(Forbidden):
    """The Origin header names a page of another server, or is missing beside a cookie."""

    code = "origin"

    def __init__(self) -> None:
        super().__init__(
            "The Origin header is missing, or names a page that may not use this server."
        )


class CrossSite(Forbidden):
    """The page is on another site than the server, so its browser sends no session cookie."""

    code = "cross_site"

    def __init__(self) -> None:
        super().__init__(
            "The page is on another site than the server, and browsers keep a session cookie to "
            "one site. Serve both under one domain, such as app.example.com and api.example.com."
        )


class IncompleteBody(ChatError):
    """The body of the request is malformed, or the client left before its end."""

    code = "malformed"
    status = 400

    def __init__(self) -> None:
        super().__init__("The body of the request is malformed or incomplete.")


class SlowBody(ChatError):
    """The body of the request took too long to arrive."""

    code = "timeout"
    status = 408

    def __init__(self) -> None:
        super().__init__("The body of the request took too long to arrive.")


class RolesChanged(Conflict):
    """The user has lost a role, or left an organisation, while the request was on its way."""

    code = "roles_changed"

    def __init__(self) -> None:
        super().__init__("Your access has changed meanwhile. Try again.")


GATEWAY_ERRORS: tuple[type[ChatError], ...] = (
    UnknownHost,
    NotFound,
    ForeignOrigin,
    CrossSite,
    MethodNotAllowed,
    IncompleteBody,
    SlowBody,
    RolesChanged,
    Unauthenticated,
)
"""For the description of the API."""


def unauthenticated(context: RequestContext) -> Unauthenticated:
    """The error of a request without a credential."""
    credentials = context.family.credentials
    if "session" not in credentials:
        return MissingApiKey(takes_token="cloud_token" in credentials)
    if "api_key" in credentials:
        return Unauthenticated("Sign in, or send an API key.")
    return Unauthenticated()


def error_of(context: RequestContext) -> ChatError | None:
    """The error of a request that does not depend on who sent it, or None."""
    method = context.method
    if context.route is RouteKind.PROBE and method in SAFE_METHODS:
        return None
    if context.public_scheme is None:
        return UnknownHost()
    if context.route is RouteKind.CLOSED:
        return NotFound()
    if len(context.api_keys) > 1:
        return SeveralCredentials()
    if not context.is_origin_allowed:
        return ForeignOrigin()
    # A preflight passes: its response shows nothing.
    is_other_site = context.allowed_origin and context.is_cross_site
    if is_other_site and method != "OPTIONS" and not context.api_keys:
        return CrossSite()
    if method in SAFE_METHODS or context.is_preflight:
        return None
    is_allowed = method in UNSAFE_METHODS and is_api(context.path)
    return None if is_allowed else MethodNotAllowed()
