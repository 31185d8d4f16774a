"""The few words of ASGI that the door speaks itself."""

import json
from collections.abc import Iterable

from starlette.types import Message, Scope, Send

Headers = list[tuple[bytes, bytes]]


def header_values(scope: Scope, name: bytes) -> list[str]:
    """Every value of a header, in order; `name` in lower case."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def only_header(scope: Scope, name: bytes) -> str | None:
    """The value of a header that was sent exactly once, else None."""
    values = header_values(scope, name)
    return values[0] if len(values) == 1 else None


def without(headers: Iterable[tuple[bytes, bytes]], names: frozenset[bytes]) -> Headers:
    """The headers that are not named; `names` in lower case."""
    return [(key, value) for key, value in headers if key.lower() not in names]


async def respond(
    send: Send,
    status: int,
    body: bytes = b"",
    content_type: str = "text/plain; charset=utf-8",
    headers: Headers | None = None,
) -> None:
    """Send one whole answer."""
    described: Headers = [(b"content-length", str(len(body)).encode())]
    if body:
        described.append((b"content-type", content_type.encode()))
    if status == 204:
        described = []  # RFC 9110 §8.6
    start: Message = {
        "type": "http.response.start",
        "status": status,
        "headers": [*described, *(headers or [])],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def respond_error(send: Send, status: int, code: str, message: str) -> None:
    """Send an error in the shape that every API route uses."""
    body = json.dumps({"error": code, "message": message}).encode()
    await respond(send, status, body, "application/json")
