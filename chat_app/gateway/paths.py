"""What stands behind each path, in one table. What the table does not open is closed."""

from enum import Enum


class RouteKind(Enum):
    """What a path leads to, and so what the door asks for."""

    PROBE = "answered for anybody, under any host"
    CLOSED = "not there"
    AUTH = "API: how to become somebody"
    API = "API: only for somebody"
    ASSET = "a file of the front end; holds nobody's words"
    PUBLIC_PAGE = "a page for signed-out people"
    OPEN_PAGE = "a page for anybody"
    PAGE = "a page for signed-in people"


EVENT_PATH = "/_event"
"""Where Reflex's socket is; only ever a WebSocket."""

API = "/api"
PROBES = frozenset({"/ping", "/_health", "/api/health"})
PUBLIC_API_PREFIXES = ("/api/auth/",)
PUBLIC_PAGES = frozenset({"/signin", "/signin/code", "/signin/link", "/signup", "/reset"})
OPEN_PAGES = frozenset({"/confirm", "/reset/new"})
CLOSED_PATHS = frozenset({"/auth-codespace"})


def is_under(path: str, prefix: str) -> bool:
    """Whether a path is the prefix or lies below it."""
    return path == prefix or path.startswith(prefix + "/")


def page_of(path: str) -> str:
    """The page a document path shows: `/signin/index.html` shows `/signin`."""
    path = path.removesuffix("index.html").rstrip("/")
    return path.removesuffix(".html") or "/"


def route_kind(path: str) -> RouteKind:
    """Say what a decoded request path leads to."""
    if path in PROBES:
        return RouteKind.PROBE
    # Clients resolve dot segments before they ask (RFC 3986 §5.2.4); who sends one is probing.
    if not {".", ".."}.isdisjoint(path.split("/")):
        return RouteKind.CLOSED
    if is_under(path, API):
        return RouteKind.AUTH if path.startswith(PUBLIC_API_PREFIXES) else RouteKind.API
    # Reflex keeps its own end points (upload, all routes, polling) behind an underscore.
    if path.startswith("/_") or path in CLOSED_PATHS:
        return RouteKind.CLOSED
    last = path.rsplit("/", 1)[-1]
    if "." in last and not last.endswith(".html"):
        return RouteKind.ASSET
    page = page_of(path)
    if page in OPEN_PAGES:
        return RouteKind.OPEN_PAGE
    return RouteKind.PUBLIC_PAGE if page in PUBLIC_PAGES else RouteKind.PAGE
