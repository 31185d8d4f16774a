"""The composition root: the Reflex app with pages, routes, gateway and services."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from typing import cast

import reflex as rx

from chat_app.api.routes import http_app
from chat_app.core import logging
from chat_app.core.clock import every
from chat_app.core.control import control_socket
from chat_app.core.errors import ChatError
from chat_app.db import migrations
from chat_app.db.data_folder import lock_data_folder
from chat_app.gateway import Gateway
from chat_app.gateway.examples import with_examples
from chat_app.pages import add_pages
from chat_app.reflex_ext.app import SWEEP_SECONDS, GatewayApp
from chat_app.reflex_ext.build import set_frame_bytes
from chat_app.services import Services, install, services
from chat_app.settings import settings
from chat_app.states.chat import ChatState
from chat_app.states.policy import Policy


@contextlib.asynccontextmanager
async def _running() -> AsyncIterator[None]:
    """Own the data folder and the database, migrate it, and keep the services running."""
    config = settings()
    with lock_data_folder(config.data_dir):
        all_services = Services(config)
        async with all_services.db.serving(on_message=all_services.outbox.on_message):
            await asyncio.to_thread(migrations.upgrade, config)
            if config.reserve_path is not None:
                all_services.db.keep_reserve(config.reserve_path)
            install(all_services)
            await all_services.start()
            if notice := await all_services.setup_links.notice():
                # not the log, which may be sent elsewhere: the link makes an admin
                print(notice, flush=True)
            _freeze_memory()
            sweeping = asyncio.create_task(every(SWEEP_SECONDS, app.sweep_states))
            async with _commands_heard(all_services):
                try:
                    yield
                finally:
                    sweeping.cancel()
                    await all_services.stop()


def _commands_heard(live: Services) -> contextlib.AbstractAsyncContextManager[None]:
    """Listen to commands; on PostgreSQL the connection that holds the database does."""
    if live.db.is_postgres:
        return contextlib.nullcontext()
    return control_socket(live.outbox.read, live.settings.data_dir)


def _freeze_memory() -> None:
    """Exclude the objects that exist after the start from garbage collection.

    Otherwise each full collection visits hundreds of thousands of objects of modules and tables,
    and every active run pauses for a quarter of a second.
    """
    gc.collect()
    gc.freeze()


def _handler_failed(exception: Exception) -> rx.event.EventSpec:
    """Show an error to the user; a bug is logged with its type and place only."""
    if isinstance(exception, ChatError):
        message = exception.message
    else:
        error_id = logging.log_unexpected_error(exception, "a handler")
        message = f"Something went wrong on our side. Error ID: {error_id}."
    return cast(rx.event.EventSpec, ChatState.show_notice(message))


def _page_failed(exception: Exception) -> None:
    """Ignore errors that pages report: they are text of the client and are only counted."""


logging.configure_logging(settings().log_level, settings().log_format)
# The handshake sends the frame size limit to pages; the gateway enforces it.
set_frame_bytes(settings().socket_frame_bytes)

app = GatewayApp(
    policy=Policy(),
    gateway=lambda inner, pages: Gateway(
        with_examples(inner, settings().examples), services=services, build=pages
    ),
    app_wraps={},
    toaster=None,
    reset_style=False,
    stylesheets=["/style.css"],
    html_lang="en",
    backend_exception_handler=_handler_failed,
    frontend_exception_handler=_page_failed,
    api_transformer=http_app(),
)
app.register_lifespan_task(_running)
add_pages(app)
