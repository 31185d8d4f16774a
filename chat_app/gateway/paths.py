"""Route kinds: what each path leads to, and so what the gateway requires. Other paths are pages.

Prefixes for programs are judged before the rule that a dot in the last segment makes an asset.
"""

import re
from enum import Enum

from chat_app.api.families import FAMILIES, is_under
from chat_app.auth.account.setup import SETUP_PAGE


class RouteKind(Enum):
    """What a path leads to, and so what the gateway requires."""

    PROBE = "a health check: open, under any host"
    CLOSED = "not found"
    AUTH = "API for signing in: no session required"
    API = "API: a session required"
    WELL_KNOWN = "public metadata: below /.well-known (RFC 8615), and the description of the API"
    ASSET = "a file of the front end; holds no user data"
    PUBLIC_PAGE = "a page for signed-out users"
    OPEN_PAGE = "a page for everyone"
    PAGE = "a page for signed-in users"
    ADMIN_PAGE = "a page for admins; for other users it is not found"
    NO_PAGE = "a page that this server does not offer: not found"
    EXAMPLE = "a front end of its own, which signs its users in itself"


EVENT_PATH = "/_event"
"""The path of Reflex's socket; only ever a WebSocket."""

API_PREFIXES = tuple(prefix for family in FAMILIES for prefix in family.prefixes)
WELL_KNOWN_PREFIX = "/.well-known"
PROBE_PREFIXES = ("/healthz", "/readyz", "/metrics")
"""For monitoring. Below them everything but the probes is not found."""
PROBES = frozenset({"/ping", "/_health", "/api/health", "/healthz", "/readyz"})
PUBLIC_API_PREFIX = "/api/auth/"
ANONYMOUS_TOKENS = frozenset({"/v1/auth/tokens/anonymous", "/v1/auth/tokens/refresh"})
"""Where AssistantCloud's client asks for a credential; it is refused with a reason."""
API_DESCRIPTION = "/api/openapi.json"
API_DOCS = "/api/docs"
"""A page among the routes."""
PUBLIC_PAGES = frozenset({"/signin", "/signin/code", "/signin/link", "/signup", "/reset"})
OPEN_PAGES = frozenset({"/confirm", "/reset/new"})
CLOSED_PATHS = frozenset({"/auth-codespace"})
ADMIN_PREFIX = "/admin"
EXAMPLES_PREFIX = "/examples"
"""Front ends of other kinds, where the settings have them served; else pages like any other."""
MOVED_PAGES = {
    "/settings/profile": "/settings/account",
    "/settings/password": "/settings/security#change-password",
    "/settings/two-factor": "/settings/security#two-factor",
    "/settings/passkeys": "/settings/security#passkeys",
    "/settings/connections": "/settings/security#connections",
    "/settings/sessions": "/settings/security#sessions",
}
"""Pages of earlier versions, which bookmarks and emails may name, and where their content is."""


def is_api(path: str) -> bool:
    """Whether a path belongs to an API, which alone takes other methods than GET and HEAD."""
    return is_under(path, *API_PREFIXES)


def is_for_programs(path: str) -> bool:
    """Whether errors of a path are JSON and never a page."""
    return is_under(path, *API_PREFIXES, WELL_KNOWN_PREFIX, *PROBE_PREFIXES)


def page_of(path: str) -> str:
    """The page that a document path shows: `/signin/index.html` shows `/signin`."""
    path = path.removesuffix("index.html").rstrip("/")
    return path.removesuffix(".html") or "/"


def route_kind(path: str, *, has_examples: bool = False, has_setup: bool = False) -> RouteKind:
    """What a decoded request path leads to.

    Args:
        path: The path.
        has_examples: Whether the front ends of `examples/` are served.
        has_setup: Whether the page of the setup link is offered.
    """
    if path in PROBES:
        return RouteKind.PROBE
    # Clients resolve dot segments themselves (RFC 3986 §5.2.4), so a request with one is hostile.
    if not {".", ".."}.isdisjoint(path.split("/")):
        return RouteKind.CLOSED
    if path == API_DESCRIPTION:
        return RouteKind.WELL_KNOWN
    if path == API_DOCS:
        return RouteKind.OPEN_PAGE
    if is_api(path):
        is_public = path.startswith(PUBLIC_API_PREFIX) or path in ANONYMOUS_TOKENS
        return RouteKind.AUTH if is_public else RouteKind.API
    if is_under(path, WELL_KNOWN_PREFIX):
        return RouteKind.WELL_KNOWN
    # Reflex's own endpoints (upload, all routes, polling) begin with an underscore.
    if is_under(path, *PROBE_PREFIXES) or path.startswith("/_") or path in CLOSED_PATHS:
        return RouteKind.CLOSED
    last = path.rsplit("/", 1)[-1]
    if "." in last and not last.endswith(".html"):
        return RouteKind.ASSET
    page = page_of(path)
    if has_examples and is_under(path, EXAMPLES_PREFIX):
        return RouteKind.EXAMPLE
    if page in OPEN_PAGES:
        return RouteKind.OPEN_PAGE
    if page in PUBLIC_PAGES:
        return RouteKind.PUBLIC_PAGE
    page = re.sub("/+", "/", page)  # what serves the files takes several slashes for one
    if page == SETUP_PAGE:
        return RouteKind.OPEN_PAGE if has_setup else RouteKind.NO_PAGE
    return RouteKind.ADMIN_PAGE if is_under(page, ADMIN_PREFIX) else RouteKind.PAGE


def moved_page(path: str, target: str) -> str | None:
    """Where a page of an earlier version is now, or None for a page that has not moved.

    Args:
        path: The decoded path.
        target: The path with its query, as it was requested.
    """
    moved = MOVED_PAGES.get(page_of(path))
    if moved is None:
        return None
    page, _, section = moved.partition("#")
    _, mark, query = target.partition("?")
    return f"{page}{mark}{query}" + (f"#{section}" if section else "")
