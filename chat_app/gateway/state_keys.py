"""Which Reflex state a socket may address.

A Reflex client token is a bearer key to the state on the server: whoever connects with it gets
what the last one left. So the token that Reflex sees is derived from the session as well, and the
same token under another session, or under none, names another state.
"""

import hmac
import re
from urllib.parse import parse_qsl
from uuid import UUID

_TOKEN = re.compile(r"[0-9A-Za-z-]{8,64}")


class StateKeys:
    """Derives state keys; nobody without the secret can make or link them.

    Args:
        secret: The secret of this installation.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"chat_app state key", "sha256")

    def derive(self, session_id: UUID | None, token: str) -> str:
        """The state key of one tab of one session, 128 bits written as a UUID.

        Args:
            session_id: The session, or None for somebody who is not signed in.
            token: What the tab calls itself.
        """
        who = b"anonymous:" if session_id is None else b"session:" + session_id.bytes
        return str(UUID(bytes=hmac.digest(self._key, who + token.encode(), "sha256")[:16]))


def client_token(query: bytes) -> str | None:
    """The tab's token in a socket's query string.

    Returns:
        The token, or None when the query is not a plain Socket.IO handshake over a WebSocket
        with exactly one sensible token.
    """
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=16)
    except ValueError:
        return None
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    if given.get("EIO") != ["4"] or given.get("transport") != ["websocket"]:
        return None
    tokens = given.get("token", [])
    if "sid" in given or len(tokens) != 1 or not _TOKEN.fullmatch(tokens[0]):
        return None
    return tokens[0]


def handshake_query(state_key: str) -> bytes:
    """The query string Reflex sees: made new, so that nothing of the client's is in it."""
    return f"token={state_key}&EIO=4&transport=websocket".encode()
