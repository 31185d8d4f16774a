"""The door: one ASGI app in front of everything, sockets and Reflex's own middleware included."""

from chat_app.gateway.connections import ConnectionRegistry
from chat_app.gateway.gateway import Gateway

__all__ = ["ConnectionRegistry", "Gateway"]
