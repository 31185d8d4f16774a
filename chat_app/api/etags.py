"""Conditional requests: `ETag` and `If-None-Match` (RFC 9110 §8.8.3, §13.1.2).

Responses stay `no-store`, so that no browser keeps them; a program that keeps one by itself need
not read it again.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.errors import NO_STORE
from chat_app.api.responses import ResponseModel

_ADAPTER = TypeAdapter[Any](Any)


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


def json_if_changed(request: Request, content: ResponseModel | Sequence[ResponseModel]) -> Response:
    """JSON with an `ETag` of its bytes, or 304 if the client has it."""
    body = _ADAPTER.dump_json(content, by_alias=True)
    version = hashlib.sha256(body).hexdigest()[:32]
    return not_modified(version) if is_unchanged(request, version) else json_with(version, body)


def json_with(version: str, body: bytes) -> Response:
    """A body of JSON with the `ETag` of its version."""
    headers = {**NO_STORE, "ETag": etag(version)}
    return Response(body, headers=headers, media_type="application/json")
