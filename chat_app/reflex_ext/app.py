"""A Reflex app with a policy in front of its handlers and a gateway around it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import reflex as rx
from starlette.types import ASGIApp

from chat_app.reflex_ext.build import page_folder
from chat_app.reflex_ext.event_namespace import SafeEventNamespace, harden_server
from chat_app.reflex_ext.events import EventPolicy

SWEEP_SECONDS = 60.0
"""How often states without a tab are looked for."""


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
        return self._gateway(super().__call__(), page_folder())

    @contextlib.asynccontextmanager
    async def sweeping_states(self) -> AsyncIterator[None]:
        """Drop states without a tab periodically, for as long as the context is open."""
        task = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            task.cancel()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            if isinstance(self.event_namespace, SafeEventNamespace):
                self.event_namespace.sweep()
