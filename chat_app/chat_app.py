"""The whole program, put together: pages, routes, the door, and what runs while the server does."""

import asyncio
import contextlib
import gc
import os
from collections.abc import AsyncIterator
from typing import cast

import reflex as rx
from reflex.utils.prerequisites import get_web_dir
from reflex_base.environment import environment
from reflex_base.utils.types import ASGIApp

from chat_app.api.routes import http_face
from chat_app.core import logging
from chat_app.core.errors import ChatError
from chat_app.db import migrations
from chat_app.db.data_folder import DataFolder
from chat_app.gateway import Gateway
from chat_app.pages import add_pages
from chat_app.reflex_ext.event_namespace import SafeEventNamespace, harden_server
from chat_app.services import Services, install, services
from chat_app.settings import settings
from chat_app.states.chat import ChatState
from chat_app.states.policy import Policy

SWEEP_SECONDS = 60.0
"""How often states without a tab are looked for."""


class ChatApp(rx.App):
    """A Reflex app behind the guard, with the policy table in front of its handlers."""

    policy: Policy

    def _setup_state(self) -> None:
        super()._setup_state()
        self.policy = Policy()
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
        """The program as one ASGI app, the guard outermost."""
        is_page_here = os.environ.get("__REFLEX_MOUNT_FRONTEND_COMPILED_APP", "") != ""
        build = get_web_dir() / "build" / "client"
        return Gateway(super().__call__(), services=services, build=build if is_page_here else None)


@contextlib.asynccontextmanager
async def _running() -> AsyncIterator[None]:
    """Own the data folder, bring the database up to date, and keep the live parts running."""
    wanted = settings()
    with DataFolder(wanted.data_dir):
        await asyncio.to_thread(migrations.upgrade, wanted)
        live = Services.build(wanted)
        install(live)
        await live.start()
        sweeping = asyncio.create_task(_sweep())
        _settle_memory()
        try:
            yield
        finally:
            sweeping.cancel()
            await live.stop()


def _settle_memory() -> None:
    """Let the garbage collector pass over what was made at the start and stays to the end.

    Else each full collection looks at hundreds of thousands of objects of modules and tables, and
    everybody's answers stand still for a quarter of a second.
    """
    gc.collect()
    gc.freeze()


async def _sweep() -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        if isinstance(app.event_namespace, SafeEventNamespace):
            app.event_namespace.sweep()


def _handler_failed(exception: Exception) -> rx.event.EventSpec:
    """Tell the person in one sentence; a bug is logged by its type and place alone."""
    if isinstance(exception, ChatError):
        sentence = exception.message
    else:
        mark = logging.log_unexpected_error(exception, "a handler")
        sentence = f"That did not work, and it is our fault. The log calls it {mark}."
    return cast(rx.event.EventSpec, ChatState.tell(sentence))


def _page_failed(exception: Exception) -> None:
    """What a page reports is the client's text: the socket counts it, nothing is written."""


logging.configure_logging(settings().log_level)
# The handshake tells pages how much a frame may hold; the guard holds them to it.
environment.REFLEX_SOCKET_MAX_HTTP_BUFFER_SIZE.set(settings().socket_frame_bytes)

app = ChatApp(
    app_wraps={},
    toaster=None,
    reset_style=False,
    stylesheets=["/style.css"],
    html_lang="en",
    backend_exception_handler=_handler_failed,
    frontend_exception_handler=_page_failed,
    api_transformer=http_face(),
)
app.register_lifespan_task(_running)
add_pages(app)
