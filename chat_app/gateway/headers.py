"""The content security policy of the pages."""

import base64
import hashlib
from collections.abc import Collection
from html.parser import HTMLParser
from pathlib import Path

from chat_app.gateway.asgi import Headers, without
from chat_app.gateway.paths import RouteKind

DENY_ALL = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""For answers that are never a page."""


class _InlineScripts(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "script" and all(name != "src" for name, _ in attrs)
        if self._inside:
            self.found.append("")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = False


def script_hashes(build: Path) -> tuple[str, ...]:
    """The CSP sources of every inline script in the built pages, sorted.

    Args:
        build: The folder of the exported front end. The hashes change with every build.
    """
    hashes: set[str] = set()
    for page in build.rglob("*.html"):
        parser = _InlineScripts()
        # Text mode turns CR LF into LF, as the browser does before it hashes.
        parser.feed(page.read_text(encoding="utf-8"))
        parser.close()
        for script in parser.found:
            digest = hashlib.sha256(script.encode()).digest()
            hashes.add(f"'sha256-{base64.b64encode(digest).decode()}'")
    return tuple(sorted(hashes))


def page_policy(
    origins: Collection[str], hashes: Collection[str] = (), beyond: Collection[str] = ()
) -> str:
    """The policy of a page: our own files, our own inline scripts, nothing from elsewhere.

    Styles may be inline because the component library writes them at run time.

    Args:
        origins: Our own origins.
        hashes: The sources of the inline scripts, from `script_hashes`.
        beyond: Other people's origins where a form of ours may end: the sign-in providers'.
    """
    own = sorted(origins)
    sockets = [origin.replace("http", "ws", 1) for origin in own]
    directives = {
        "default-src": ["'self'"],
        "script-src": ["'self'", *hashes],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'", *own, *sockets],
        "worker-src": ["'self'"],
        "manifest-src": ["'self'"],
        "media-src": ["'self'"],
        "frame-src": ["'none'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'", *own, *sorted(set(beyond))],
        "frame-ancestors": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())


_PERMISSIONS = ", ".join(
    [
        *(
            f"{feature}=()"
            for feature in (
                "accelerometer",
                "browsing-topics",
                "camera",
                "display-capture",
                "geolocation",
                "gyroscope",
                "magnetometer",
                "microphone",
                "midi",
                "payment",
                "usb",
            )
        ),
        "clipboard-write=(self)",
        "fullscreen=(self)",
    ]
)

_FIXED: Headers = [
    (b"x-content-type-options", b"nosniff"),
    # Not `no-referrer`: under it Chromium sends `Origin: null` with a form post, which the door
    # refuses. Nothing is told to other sites either way.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", _PERMISSIONS.encode()),
    (b"x-frame-options", b"DENY"),
]

_OURS = frozenset(
    {
        *(name for name, _ in _FIXED),
        b"vary",
        b"content-security-policy",
        b"strict-transport-security",
        # Reflex's own CORS middleware answers any configured origin; ours decides instead.
        b"access-control-allow-origin",
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"access-control-expose-headers",
        b"access-control-max-age",
        b"access-control-allow-private-network",
        b"server",
    }
)

_KEPT = frozenset({200, 206, 304})


def content_type(headers: Headers) -> bytes:
    """The media type of an answer, without its parameters."""
    for name, value in headers:
        if name.lower() == b"content-type":
            return value.split(b";", 1)[0].strip().lower()
    return b""


def cors(origin: str) -> Headers:
    """What lets a page of one exact origin of ours read an answer."""
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", b"retry-after"),
    ]


def preflight(origin: str) -> Headers:
    """The answer to a preflight from one exact origin of ours."""
    return [
        *cors(origin),
        (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
        (b"access-control-allow-headers", b"content-type, last-event-id, x-auth-return-redirect"),
        (b"access-control-max-age", b"600"),
    ]


def _caching(place: RouteKind, path: str, status: int, headers: Headers) -> Headers:
    if place is RouteKind.ASSET and status in _KEPT:
        # The build names these files by their content.
        forever = path.startswith("/assets/")
        value = b"public, max-age=31536000, immutable" if forever else b"no-cache"
    elif content_type(headers) == b"text/event-stream":
        # no-transform and the proxy's own switch keep a stream from being collected first.
        return [(b"cache-control", b"no-store, no-transform"), (b"x-accel-buffering", b"no")]
    else:
        value = b"no-store"
    return [(b"cache-control", value)]


def _vary(headers: Headers) -> bytes:
    names = {b"origin": b"Origin"}
    for name, value in headers:
        if name.lower() == b"vary":
            names |= {part.strip().lower(): part.strip() for part in value.split(b",")}
    return b", ".join(names.values())


_CACHING = frozenset({b"cache-control", b"x-accel-buffering"})


class SecurityHeaders:
    """Dresses answers.

    Args:
        page_policy: The content security policy of pages and their files.
        is_https: Whether people reach the app over TLS.
    """

    def __init__(self, *, page_policy: str, is_https: bool) -> None:
        fixed = [*_FIXED]
        if is_https:
            fixed.append((b"strict-transport-security", b"max-age=31536000"))
        self._page = [*fixed, (b"content-security-policy", page_policy.encode())]
        self._other = [*fixed, (b"content-security-policy", DENY_ALL.encode())]

    def dress(
        self, place: RouteKind, path: str, status: int, headers: Headers, sharing: Headers
    ) -> Headers:
        """The headers an answer leaves with, in place of the ones it came with.

        Args:
            place: What the path leads to.
            path: The path of the request.
            status: The status of the answer.
            headers: What the app wrote.
            sharing: What `cors` or `preflight` says to the asking origin, if it is one of ours.
        """
        is_api = place in (RouteKind.API, RouteKind.AUTH)
        is_page = not is_api and (content_type(headers) == b"text/html" or place is RouteKind.ASSET)
        return [
            *without(headers, _OURS | _CACHING),
            *(self._page if is_page else self._other),
            *_caching(place, path, status, headers),
            (b"vary", _vary(headers)),
            *sharing,
        ]
