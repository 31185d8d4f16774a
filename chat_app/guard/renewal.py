"""The door's own answer to a token that has a successor: the new one, on whatever goes out."""

from starlette.types import Message, Send

from chat_app.auth import cookie
from chat_app.guard.live import Arrival
from chat_app.guard.needs import Visit
from chat_app.settings import Settings


def renewing(send: Send, visit: Visit | None, arrival: Arrival, settings: Settings) -> Send:
    """Put a renewed token into the cookie of the answer.

    Not when the answer itself says what the cookie shall hold, and not when the session ended or
    got another token while the request was under way: then the browser may have a newer one by now.

    Args:
        send: Takes the answer.
        visit: Who asks; None for nobody.
        arrival: Heard what ended or was replaced since the look-up.
        settings: Decide the cookie's name and attributes.
    """
    if visit is None or visit.renewed is None:
        return send
    renewed, session_id = visit.renewed, visit.principal.session_id
    name = cookie.session_name(settings)

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and not arrival.is_outdated(session_id):
            headers = list(message.get("headers", []))
            if not any(_sets(key, value, name) for key, value in headers):
                value = cookie.write(settings, name, renewed.token, max_age=renewed.max_age)
                headers.append((b"set-cookie", value.encode()))
                message = {**message, "headers": headers}
        await send(message)

    return sending


def _sets(key: bytes, value: bytes, name: str) -> bool:
    return key.lower() == b"set-cookie" and value.startswith(f"{name}=".encode())
