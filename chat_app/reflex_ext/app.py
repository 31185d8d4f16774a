"""A Reflex app with a policy and a gateway, and what its pages use of Reflex beside `rx`."""

import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import reflex as rx
from reflex.style import color_mode, set_color_mode
from reflex_base.style import LiteralColorMode
from reflex_components_core.core.banner import has_connection_errors
from reflex_components_core.react_router.dom import ReactRouterLink
from starlette.types import ASGIApp

from chat_app.reflex_ext.build import served_pages
from chat_app.reflex_ext.event_namespace import SafeEventNamespace, harden_server
from chat_app.reflex_ext.events import EventPolicy

__all__ = ["LiteralColorMode", "ReactRouterLink", "color_mode", "set_color_mode"]

# Python 3.11 does not know the type of the fonts.
mimetypes.add_type("font/woff2", ".woff2")

SWEEP_SECONDS = 60.0
"""How often states without a tab are looked for."""

is_disconnected = has_connection_errors
"""Whether the websocket is disconnected; Reflex reconnects by itself."""


class GatewayApp(rx.App):
    """A Reflex app with a policy in front of its handlers and a gateway around it.

    Args:
        policy: Decides which events run.
        gateway: Wraps the app. It gets the app and the folder of the built pages, or None when
            this process does not serve them.
        options: What `rx.App` takes.
    """

    def __init__(
        self,
        *,
        policy: EventPolicy,
        gateway: Callable[[Any, Path | None], ASGIApp],
        **options: Any,
    ) -> None:
        self.policy, self._gateway = policy, gateway
        super().__init__(**options)

    def _setup_state(self) -> None:
        super()._setup_state()
        self.add_middleware(self.policy)
        old, server = self.event_namespace, self.sio
        if old is None or server is None:
            raise RuntimeError("Reflex has no event namespace.")
        dropped = self.policy.refused
        self._event_namespace = SafeEventNamespace(
            old.namespace, self, lambda: self.policy.rows, dropped
        )
        server.register_namespace(self._event_namespace)
        harden_server(server, dropped)

    def __call__(self) -> ASGIApp:
        """The program as one ASGI app, the gateway outermost."""
        with served_pages() as pages:
            return self._gateway(super().__call__(), pages)

    async def sweep_states(self) -> None:
        """Drop the states without a tab."""
        if isinstance(self.event_namespace, SafeEventNamespace):
            self.event_namespace.sweep()
