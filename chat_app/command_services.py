"""Runs a command with the services of the program, beside a server if one runs.

A module is imported where it is needed, so that `--help` is fast.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from chat_app.settings import settings

if TYPE_CHECKING:
    from chat_app.services import Services
    from chat_app.settings import Settings

_T = TypeVar("_T")

UNHEARD = "The server did not hear this"
FOLLOWS = f"{UNHEARD}; it follows within 15 seconds."
"""What is said when a server may be there that did not hear of a change."""


def migrate_database(*, to_serve: bool = False) -> bool:
    """Migrate the database; whether there was anything to do.

    Args:
        to_serve: Whether to refuse it while another server uses a database server.
    """
    from chat_app.db.data_folder import lock_data_folder
    from chat_app.db.migrations import upgrade

    config = settings()

    async def upgrade_alone() -> bool:
        from chat_app.db.server_lock import ServerLock

        async with ServerLock(config.system_url).hold():
            return await asyncio.to_thread(upgrade, config)

    with lock_data_folder(config.data_dir):
        if to_serve and config.sqlite_path is None:
            return asyncio.run(upgrade_alone())
        return upgrade(config)


def with_services(command: Callable[["Services"], Awaitable[_T]], *, unheard: str = FOLLOWS) -> _T:
    """Run a command with the services of the program, beside a server if one runs.

    The server hears at once what the command has changed. A SQLite database is migrated if no
    server runs; one on a database server may be in use by a server with another data folder.

    Args:
        command: The command.
        unheard: What is said when there is, or may be, a server and it did not hear of a change.

    Returns:
        The result of the command.
    """
    from chat_app.core.control import ForwardingBus, forwarded_events
    from chat_app.db.migrations import check
    from chat_app.services import Services

    config = settings()
    is_served = config.sqlite_path is None or not _migrate_unserved()
    if is_served:
        check(config)

    async def execute() -> _T:
        bus = ForwardingBus()
        services = Services(config, bus=bus)
        try:
            with forwarded_events(bus):
                return await command(services)
        finally:
            if is_served and not await bus.forward(config.data_dir) and await _has_server(config):
                typer.echo(unheard, err=True)
            await services.stop()

    return asyncio.run(execute())


async def _has_server(config: "Settings") -> bool:
    """Whether a server uses the database that did not listen in this data folder."""
    if config.sqlite_path is not None:
        return True
    from chat_app.core.errors import DatabaseUnreachable
    from chat_app.db.server_lock import is_served

    try:
        return await is_served(config.system_url)
    except DatabaseUnreachable:
        return True  # it may


def _migrate_unserved() -> bool:
    """Migrate the database unless a server runs, which has done so; whether none runs."""
    from chat_app.db.data_folder import DataFolderInUse

    try:
        migrate_database()
    except DataFolderInUse:
        return False
    return True
