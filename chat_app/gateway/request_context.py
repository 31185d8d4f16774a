"""What the settings mean to the door, worked out once."""

from collections.abc import Collection
from pathlib import Path

from starlette.types import Scope

from chat_app.core.network import client_ip
from chat_app.gateway.asgi import only_header
from chat_app.gateway.headers import SecurityHeaders, page_policy, script_hashes
from chat_app.gateway.origins import Origins
from chat_app.gateway.state_keys import StateKeys
from chat_app.settings import Settings


class RequestRules:
    """Everything the door asks about a connection before it asks who it is.

    Args:
        settings: What the operator decided.
        build: The folder of the exported front end, or None when it is served elsewhere.
        also: Further origins that are ours.
    """

    def __init__(self, settings: Settings, build: Path | None, also: Collection[str]) -> None:
        self.settings = settings
        self.serves_pages = build is not None
        self.origins = Origins({*settings.origins, *also})
        self.keys = StateKeys(settings.secret)
        hashes = script_hashes(build) if build is not None else ()
        self.headers = SecurityHeaders(
            page_policy=page_policy(
                self.origins.allowed,
                hashes,
                [provider.origin for provider in settings.identity_providers],
            ),
            is_https=settings.is_https,
        )

    def as_seen_outside(self, scope: Scope, **more: object) -> Scope:
        """A copy of a scope with the believed address of the client and the scheme it used."""
        address = client_ip(scope, self.settings.trusted_proxy_hops)
        port = (scope.get("client") or ("", 0))[1]
        scheme = self.origins.scheme_for(only_header(scope, b"host")) or scope["scheme"]
        if scope["type"] == "websocket":
            scheme = scheme.replace("http", "ws")
        return {**scope, "client": (address, port), "scheme": scheme, **more}


def relative_target(scope: Scope) -> str:
    """The path and query of a request, when they can surely only mean this server, else `/`.

    Args:
        scope: A request.
    """
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    target = (path.split(b"?", 1)[0] + (b"?" + query if query else b"")).decode("latin-1")
    is_plain = all("!" <= char <= "~" for char in target) and "\\" not in target
    if not is_plain or not target.startswith("/") or target.startswith("//") or len(target) > 1024:
        return "/"
    return target
