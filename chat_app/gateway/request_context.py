"""The context of a request: everything the gateway reads from it, parsed once."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import Scope

from chat_app.core.network import client_ip, client_network_of
from chat_app.gateway.cookies import Cookies, first, parse, session_name
from chat_app.gateway.headers import Headers
from chat_app.gateway.origins import Origins, Verdict, is_cross_site, permits
from chat_app.gateway.paths import RouteKind, route_kind
from chat_app.settings import Settings

_TARGET_MAX_LENGTH = 1_024


@dataclass(frozen=True, slots=True)
class RequestContext:
    """A request or a socket's handshake, before its session is resolved.

    Args:
        method: The HTTP method; `GET` for a socket.
        path: The decoded path.
        target: The path and query to return to after sign-in; see `relative_target`.
        route: What the path leads to.
        host: The Host header, empty unless there is exactly one.
        public_scheme: The scheme under which this server has that host; None when it has not.
        origin: The verdict on the Origin header.
        allowed_origin: The Origin header when it is one of ours, else empty.
        fetch_site: Every Sec-Fetch-Site header.
        cookies: The cookies, in order.
        has_cookie: Whether there is a Cookie header, parsable or not.
        session_token: The value of the session cookie, unchecked, or None.
        client_ip: The address of the client, behind the trusted proxies.
        client_network: What limits per client count.
    """

    method: str
    path: str
    target: str
    route: RouteKind
    host: str
    public_scheme: str | None
    origin: Verdict
    allowed_origin: str
    fetch_site: Sequence[str]
    cookies: Cookies
    has_cookie: bool
    session_token: str | None
    client_ip: str
    client_network: str

    @property
    def is_origin_allowed(self) -> bool:
        """Whether the request may act for a user, by its Origin, method and cookies."""
        return permits(self.method, self.origin, self.fetch_site, has_cookie=self.has_cookie)

    @property
    def is_cross_site(self) -> bool:
        """Whether the browser reports a page of another site."""
        return is_cross_site(self.fetch_site)

    def public_scope(self, scope: Scope, **changes: object) -> Scope:
        """A copy of the ASGI scope with the client's address and scheme before all proxies."""
        port = (scope.get("client") or ("", 0))[1]
        scheme = self.public_scheme or scope["scheme"]
        if scope["type"] == "websocket":
            scheme = scheme.replace("http", "ws")
        return {**scope, "client": (self.client_ip, port), "scheme": scheme, **changes}


def parse_request(scope: Scope, settings: Settings, origins: Origins) -> RequestContext:
    """Parse an ASGI scope.

    Args:
        scope: An `http` or `websocket` scope.
        settings: The cookie's name and the number of trusted proxies.
        origins: The origins and hosts of this server.
    """
    host = _only(scope, b"host")
    origin_headers = header_values(scope, b"origin")
    verdict = origins.judge(origin_headers)
    cookies = parse(scope["headers"])
    address = client_ip(scope, settings.trusted_proxy_hops)
    return RequestContext(
        method=scope.get("method", "GET"),
        path=scope["path"],
        target=relative_target(scope),
        route=route_kind(scope["path"]),
        host=host or "",
        public_scheme=origins.scheme_for(host),
        origin=verdict,
        allowed_origin=origin_headers[0] if verdict == "ours" else "",
        fetch_site=tuple(header_values(scope, b"sec-fetch-site")),
        cookies=cookies,
        has_cookie=bool(header_values(scope, b"cookie")),
        session_token=first(cookies, session_name(settings)),
        client_ip=address,
        client_network=client_network_of(address),
    )


def header_values(scope: Scope, name: bytes) -> list[str]:
    """Every value of a header, in order; `name` in lower case."""
    headers: Headers = scope["headers"]
    return [value.decode("latin-1") for key, value in headers if key.lower() == name]


def _only(scope: Scope, name: bytes) -> str | None:
    values = header_values(scope, name)
    return values[0] if len(values) == 1 else None


def relative_target(scope: Scope) -> str:
    """The path and query of a request when they can only mean this server, else `/`."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    target = (path.split(b"?", 1)[0] + (b"?" + query if query else b"")).decode("latin-1")
    if len(target) > _TARGET_MAX_LENGTH or not target.startswith("/") or target.startswith("//"):
        return "/"
    is_plain = all("!" <= char <= "~" for char in target) and "\\" not in target
    return target if is_plain else "/"
