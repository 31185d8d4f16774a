"""Conditional requests: `ETag` and `If-None-Match` (RFC 9110 §8.8.3, §13.1.2).

Responses stay `no-store`, so that no browser keeps them; a program that keeps one by itself need
not read it again.
"""

import hashlib
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.errors import NO_STORE
from chat_app.api.responses import json_response


def etag(version: str) -> str:
    """The header of a version; weak, because two of the same content need not be equal bytes."""
    return f'W/"{version}"'


def is_unchanged(request: Request, version: str) -> bool:
    """Whether the client has this version already."""
    known = ",".join(request.headers.getlist("if-none-match")).split(",")
    return any(one.strip().removeprefix("W/") in ("*", f'"{version}"') for one in known)


def not_modified(version: str) -> Response:
    """304."""
    return Response(status_code=304, headers={**NO_STORE, "ETag": etag(version)})


def json_if_changed(request: Request, content: Any) -> Response:
    """JSON with an `ETag` of its bytes, or 304 if the client has it."""
    response = json_response(content)
    version = hashlib.sha256(response.body).hexdigest()[:32]
    if is_unchanged(request, version):
        return not_modified(version)
    response.headers["ETag"] = etag(version)
    return response
