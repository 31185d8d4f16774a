"""How much a request may bring along."""

from starlette.types import Message, Receive, Scope

from chat_app.errors import TooLarge
from chat_app.guard.asgi import header_values


def limited(scope: Scope, receive: Receive, limit: int) -> Receive:
    """A receive that refuses to read more than a limit.

    Args:
        scope: The request.
        receive: Where its body comes from.
        limit: The largest body, in bytes.

    Raises:
        TooLarge: At once, when the request says that it is larger; from the returned receive,
            when it turns out to be.
    """
    for said in header_values(scope, b"content-length"):
        if not said.isdecimal() or int(said[:20]) > limit:
            raise _too_large(limit)
    taken = 0

    async def receive_some() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > limit:
                raise _too_large(limit)
        return message

    return receive_some


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"A request may hold {limit:,} bytes.")
