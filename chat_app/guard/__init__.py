"""The door: one ASGI app in front of everything, sockets and Reflex's own middleware included."""

from chat_app.guard.door import Guard
from chat_app.guard.live import LiveConnections

__all__ = ["Guard", "LiveConnections"]
