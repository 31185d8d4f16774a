"""Response headers: content security policy, CORS, caching, and what every response carries."""

import base64
import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from html.parser import HTMLParser
from pathlib import Path

from chat_app.gateway.paths import API_DOCS, RouteKind
from chat_app.gateway.request_context import RequestContext

Headers = list[tuple[bytes, bytes]]

DENY_ALL = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""For responses that are never a page."""


def without(headers: Iterable[tuple[bytes, bytes]], names: frozenset[bytes]) -> Headers:
    """The headers except the named ones; `names` in lower case."""
    return [(key, value) for key, value in headers if key.lower() not in names]


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


def script_hashes(page: Path) -> tuple[str, ...]:
    """The CSP sources of the inline scripts of a built page, sorted.

    Args:
        page: The file of the page. The hashes change with every build.
    """
    parser = _InlineScripts()
    # Text mode turns CR LF into LF, as the browser does before it hashes.
    parser.feed(page.read_text(encoding="utf-8"))
    parser.close()
    digests = {hashlib.sha256(script.encode()).digest() for script in parser.found}
    return tuple(sorted(f"'sha256-{base64.b64encode(one).decode()}'" for one in digests))


def hashes_by_path(build: Path) -> dict[str, tuple[str, ...]]:
    """The CSP sources of the inline scripts of each built page.

    Args:
        build: The folder of the exported front end.

    Returns:
        The sources by the path that serves the page, without slashes around it. An `index.html`
        is served for its folder too.
    """
    found: dict[str, tuple[str, ...]] = {}
    for page in build.rglob("*.html"):
        path = page.relative_to(build).as_posix()
        found[path] = script_hashes(page)
        if page.name == "index.html":
            found[path.removesuffix("index.html").rstrip("/")] = found[path]
    return found


def page_policy(
    origins: Collection[str], hashes: Collection[str] = (), form_targets: Collection[str] = ()
) -> str:
    """The policy of a page: its own files, its own inline scripts, nothing from other origins.

    Styles may be inline because the component library writes them at run time.

    Args:
        origins: The origins of this server.
        hashes: The sources of the inline scripts, from `script_hashes`.
        form_targets: Other origins that a form may lead to: the identity providers'.
    """
    return _policy(_directives(origins, hashes, form_targets))


def static_page_policy(api_url: str, hashes: Collection[str]) -> str:
    """The policy of a page that another host has, for a `<meta>` in it.

    Such a policy cannot say who may frame the page; a header of that host has to.

    Args:
        api_url: The origin of this server.
        hashes: The sources of the inline scripts, from `script_hashes`.
    """
    directives = _directives([api_url], hashes)
    directives["img-src"].append(api_url)
    del directives["frame-ancestors"]
    return _policy(directives)


def _directives(
    origins: Collection[str], hashes: Collection[str], form_targets: Collection[str] = ()
) -> dict[str, list[str]]:
    own = sorted(origins)
    sockets = [origin.replace("http", "ws", 1) for origin in own]
    return {
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
        "form-action": ["'self'", *own, *sorted(set(form_targets))],
        "frame-ancestors": ["'none'"],
    }


def _policy(directives: dict[str, list[str]]) -> str:
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())


_DENIED_FEATURES = (
    "accelerometer browsing-topics camera display-capture geolocation gyroscope magnetometer "
    "microphone midi payment usb"
)
_PERMISSIONS = "".join(f"{feature}=(), " for feature in _DENIED_FEATURES.split()) + (
    "clipboard-write=(self), fullscreen=(self)"
)

_FIXED: Headers = [
    (b"x-content-type-options", b"nosniff"),
    # Not `no-referrer`: with it Chromium sends `Origin: null` with a form post, which the gateway
    # refuses. Other sites get no referrer either way.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", _PERMISSIONS.encode()),
    (b"x-frame-options", b"DENY"),
]

_REPLACED = frozenset(
    {
        *(name for name, _ in _FIXED),
        b"vary",
        b"content-security-policy",
        b"strict-transport-security",
        # Reflex's own CORS middleware is replaced by the gateway's origin check.
        *(
            b"access-control-" + name
            for name in b"allow-origin allow-credentials allow-headers allow-methods "
            b"expose-headers max-age allow-private-network".split()
        ),
        b"server",
        b"x-request-id",
    }
)

_REQUEST_HEADERS = b"content-type, if-none-match, last-event-id, x-ai-sdk, x-auth-return-redirect"
_CLOUD_HEADERS = b"aui-sdk, authorization, content-type"
"""What AssistantCloud's client sends; elsewhere no page may send a bearer token."""


def _preflight(context: RequestContext) -> Headers:
    takes_tokens = "cloud_token" in context.family.credentials
    return [
        (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
        (b"access-control-allow-headers", _CLOUD_HEADERS if takes_tokens else _REQUEST_HEADERS),
        (b"access-control-max-age", b"600"),
    ]


_CACHEABLE = frozenset({200, 206, 304})


def content_type(headers: Headers) -> bytes:
    """The media type of a response, without its parameters."""
    for name, value in headers:
        if name.lower() == b"content-type":
            return value.split(b";", 1)[0].strip().lower()
    return b""


def _cors(context: RequestContext) -> Headers:
    """The CORS headers that let a page of an allowed origin read a response, or send a request."""
    if not context.allowed_origin:
        return []
    headers = [
        (b"access-control-allow-origin", context.allowed_origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (
            b"access-control-expose-headers",
            b"etag, link, retry-after, x-request-id, x-resumable-stream-id, x-thread-id, "
            b"x-vercel-ai-ui-message-stream",
        ),
    ]
    return headers + _preflight(context) if context.is_preflight else headers


def _caching(context: RequestContext, status: int, headers: Headers) -> Headers:
    if context.route is RouteKind.ASSET and status in _CACHEABLE:
        # The build names its files by their content; a font is named by its version.
        is_immutable = context.path.startswith(("/assets/", "/fonts/"))
        value = b"public, max-age=31536000, immutable" if is_immutable else b"no-cache"
    elif content_type(headers) == b"text/event-stream":
        # no-transform and nginx's own header keep proxies from buffering a stream.
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
_NEVER_PAGES = frozenset({RouteKind.API, RouteKind.AUTH, RouteKind.WELL_KNOWN})
_WITHOUT_SCRIPTS = frozenset({RouteKind.CLOSED, RouteKind.EXAMPLE})
"""Their pages are not of the build."""
_FALLBACK = "404.html"
"""What the build has for each path without a file: those with arguments, and unknown ones."""


class SecurityHeaders:
    """Sets the security, CORS and caching headers of every response.

    Args:
        origins: The origins of this server.
        hashes: The sources of the inline scripts of each page, from `hashes_by_path`.
        form_targets: Other origins that a form may lead to: the identity providers'.
        is_https: Whether people reach the app over TLS.
    """

    def __init__(
        self,
        *,
        origins: Collection[str],
        hashes: Mapping[str, Collection[str]],
        form_targets: Collection[str],
        is_https: bool,
    ) -> None:
        self._fixed = [*_FIXED]
        if is_https:
            self._fixed.append((b"strict-transport-security", b"max-age=31536000"))
        self._pages = {
            path: self._with_policy(page_policy(origins, sources, form_targets))
            for path, sources in hashes.items()
        }
        self._file = self._with_policy(page_policy(origins, form_targets=form_targets))
        self._other = self._with_policy(DENY_ALL)

    def apply(self, context: RequestContext, status: int, headers: Headers) -> Headers:
        """The headers of a response, in place of those the app wrote.

        Args:
            context: The request.
            status: The status of the response.
            headers: The headers that the app wrote.
        """
        return [
            *without(headers, _REPLACED | _CACHING),
            *self._security(context, status, headers),
            *_caching(context, status, headers),
            (b"vary", _vary(headers)),
            (b"x-request-id", context.request_id.encode("ascii")),
            *_cors(context),
        ]

    def _with_policy(self, policy: str) -> Headers:
        return [*self._fixed, (b"content-security-policy", policy.encode())]

    def _security(self, context: RequestContext, status: int, headers: Headers) -> Headers:
        if context.route in _NEVER_PAGES:
            return self._other
        if content_type(headers) == b"text/html":
            return self._page(context, status)
        return self._file if context.route is RouteKind.ASSET else self._other

    def _page(self, context: RequestContext, status: int) -> Headers:
        """The headers of a page, with the hashes of its own scripts alone.

        A list of all pages' hashes would grow with each page, and a proxy's buffer for the headers
        of a response is small: 4 kB in nginx.
        """
        if context.route in _WITHOUT_SCRIPTS or context.path == API_DOCS:
            return self._file
        path = re.sub("/+", "/", context.path).strip("/")  # as what serves the files reads it
        if status == 404 or path not in self._pages:
            path = _FALLBACK
        return self._pages.get(path, self._file)
