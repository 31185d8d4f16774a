"""The context of a request: everything the gateway reads from it, parsed once."""

import re
import secrets
from dataclasses import dataclass

from starlette.types import Scope

from chat_app.api.families import ApiFamily, family_of
from chat_app.core.network import client_ip, limited_network
from chat_app.gateway.cookies import SESSION, Cookies, first, parse
from chat_app.gateway.origins import Origins, permits
from chat_app.gateway.paths import RouteKind, route_kind
from chat_app.settings import Settings

_TARGET_MAX_LENGTH = 1_024
_REQUEST_ID = re.compile(r"[0-9A-Za-z._:-]{1,64}")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """A request or a socket's handshake, before its session is resolved.

    Args:
        method: The HTTP method; `GET` for a socket.
        path: The decoded path.
        target: The path and query to return to after sign-in; see `relative_target`.
        route: What the path leads to.
        family: The kind of client that the path is for.
        host: The Host header, empty unless there is exactly one.
        public_scheme: The scheme under which this server has that host; None when it has not.
        allowed_origin: The Origin header when it is one of ours, else empty.
        is_preflight: Whether a browser asks on behalf of a page of ours what it may send (CORS).
        is_origin_allowed: Whether the request may act for a user; see `permits`. With an API key it
            may from anywhere, since no browser adds one by itself, as it does a cookie; unless the
            protocol of the family forbids it.
        is_cross_site: Whether the browser reports that the page is on another site than this
            server. Only a browser knows where a site ends (the public suffix list), and it sends
            no session cookie across sites (SameSite=Lax).
        api_keys: The API keys, unchecked; more than one is an error.
        cookies: The cookies, in order; none are read beside an API key, nor in a family that takes
            no session.
        session_token: The value of the session cookie, unchecked, or None.
        client_ip: The IP address of the client, behind the trusted proxies.
        limited_network: What limits per client count; None where that would be everyone: behind a
            reverse proxy that is not trusted to name its clients.
        request_id: Names the request in the log; the id that a trusted proxy gave it, or a new one.
    """

    method: str
    path: str
    target: str
    route: RouteKind
    family: ApiFamily
    host: str
    public_scheme: str | None
    allowed_origin: str
    is_preflight: bool
    is_origin_allowed: bool
    is_cross_site: bool
    api_keys: tuple[str, ...]
    cookies: Cookies
    session_token: str | None
    client_ip: str
    limited_network: str | None
    request_id: str

    def public_scope(self, scope: Scope, **changes: object) -> Scope:
        """A copy of the ASGI scope with the client's IP address and scheme before all proxies."""
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
    hosts = header_values(scope, b"host")
    host = hosts[0] if len(hosts) == 1 else None
    origin_headers = header_values(scope, b"origin")
    verdict = origins.judge(origin_headers)
    method = scope.get("method", "GET")
    fetch_site = header_values(scope, b"sec-fetch-site")
    family = family_of(scope)
    has_cookie = family.takes_session and bool(header_values(scope, b"cookie"))  # parsable or not
    asks = method == "OPTIONS" and bool(header_values(scope, b"access-control-request-method"))
    api_keys = _api_keys(scope)
    cookies = parse(scope["headers"]) if family.takes_session and not api_keys else ()
    may_act = permits(method, verdict, fetch_site, has_cookie=has_cookie)
    is_lenient = not family.checks_origin
    ip = client_ip(scope, settings.trusted_proxy_hops)
    return RequestContext(
        method=method,
        path=scope["path"],
        target=relative_target(scope),
        route=route_kind(
            scope["path"],
            has_examples=settings.examples is not None,
            has_setup=settings.has_loopback_url,
        ),
        family=family,
        host=host or "",
        public_scheme=origins.scheme_for(host),
        allowed_origin=origin_headers[0] if verdict == "ours" else "",
        is_preflight=asks and verdict == "ours",
        is_origin_allowed=may_act or (bool(api_keys) and (verdict != "foreign" or is_lenient)),
        is_cross_site="cross-site" in fetch_site,
        api_keys=api_keys,
        cookies=cookies,
        session_token=first(cookies, settings, SESSION),
        client_ip=ip,
        limited_network=limited_network(ip, settings),
        request_id=_request_id_of(scope, settings),
    )


def header_values(scope: Scope, name: bytes) -> list[str]:
    """Every value of a header, in order; `name` in lower case."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _api_keys(scope: Scope) -> tuple[str, ...]:
    """The keys in `Authorization: Bearer` (RFC 6750 §2.1) and `x-api-key`.

    Another scheme, such as the Basic of a proxy, is no credential of this server.
    """
    keys: list[str] = []
    for value in header_values(scope, b"authorization"):
        scheme, _, token = value.replace("\t", " ").strip(" ").partition(" ")
        if scheme.lower() == "bearer":
            keys.append(token.strip(" "))
    keys += [value.strip(" \t") for value in header_values(scope, b"x-api-key")]
    return tuple(keys)


def _request_id_of(scope: Scope, settings: Settings) -> str:
    """The `X-Request-ID` of a trusted proxy, else a random id."""
    given = header_values(scope, b"x-request-id") if settings.trusted_proxy_hops else []
    if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
        return given[0]
    return secrets.token_hex(8)


def relative_target(scope: Scope) -> str:
    """The path and query of a request when they can only mean this server, else `/`."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    target = (path.split(b"?", 1)[0] + (b"?" + query if query else b"")).decode("latin-1")
    if len(target) > _TARGET_MAX_LENGTH or not target.startswith("/") or target.startswith("//"):
        return "/"
    is_plain = all("!" <= char <= "~" for char in target) and "\\" not in target
    return target if is_plain else "/"
