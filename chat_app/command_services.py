"""Runs a command with the services of the program, beside a server if one runs.

A module is imported where it is needed, so that `--help` is fast.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from chat_app.settings import settings

if TYPE_CHECKING:
    from chat_app.core.signals import PublishedSignal
    from chat_app.db.outbox import Outbox
    from chat_app.services import Services
    from chat_app.settings import Settings

_T = TypeVar("_T")

UNHEARD = "The server did not hear this at once; it follows within 15 seconds."
"""What is said when a server may be there that did not hear of a change."""


def migrate_database(*, to_serve: bool = False) -> bool:
    """Migrate the database; whether there was anything to do.

    Args:
        to_serve: Whether to refuse it while another server uses a database server.
    """
    from chat_app.db.data_folder import STOP_FIRST, STOP_OR_MOVE, lock_data_folder
    from chat_app.db.migrations import upgrade

    config = settings()

    async def upgrade_alone() -> bool:
        from chat_app.db.server_lock import ServerLock

        async with ServerLock(config.system_url).hold():
            return await asyncio.to_thread(upgrade, config)

    with lock_data_folder(config.data_dir, advice=STOP_OR_MOVE if to_serve else STOP_FIRST):
        if to_serve and config.sqlite_path is None:
            return asyncio.run(upgrade_alone())
        return upgrade(config)


def with_services(
    command: Callable[["Services"], Awaitable[_T]], *, makes_database: bool = False
) -> _T:
    """Run a command with the services of the program, beside a server if one runs.

    The server hears at once what the command has changed. A SQLite database is migrated if no
    server runs; one on a database server may be in use by a server with another data folder.

    Args:
        command: The command.
        makes_database: Whether to make a SQLite database that is not there.

    Returns:
        The result of the command.

    Raises:
        DatabaseMissing: There is no SQLite database.
    """
    from chat_app.core.control import CommandBus, forwarded_events
    from chat_app.db.data_folder import require_database
    from chat_app.db.migrations import check
    from chat_app.db.outbox import Outbox
    from chat_app.services import Services

    config = settings()
    if not makes_database and config.sqlite_path is not None:
        require_database(config.sqlite_path)
    is_served = config.sqlite_path is None or not _migrate_unserved()
    if is_served:
        check(config)

    async def execute() -> _T:
        bus = CommandBus()
        services = Services(config, bus=bus)
        outbox = Outbox(services.db, services.clock, notifies=services.db.is_postgres)
        if is_served:
            services.db.store_signals(outbox.store)
        try:
            with forwarded_events(bus):
                return await command(services)
        finally:
            if is_served and not await _is_heard(config, outbox, bus.take()):
                typer.echo(UNHEARD, err=True)
            await services.stop()

    return asyncio.run(execute())


async def _is_heard(config: "Settings", outbox: "Outbox", rest: "list[PublishedSignal]") -> bool:
    """Whether the server, if there is one, heard what a command has changed.

    Args:
        config: The settings.
        outbox: What the transactions of the command have stored.
        rest: What else it has published.
    """
    from chat_app.core.control import tell_server
    from chat_app.db.engine import DATABASE_ERRORS
    from chat_app.db.server_lock import is_served

    try:
        await outbox.add(rest)
        if not outbox.is_used:
            return True
        if config.sqlite_path is not None:
            if not await tell_server(config.data_dir):
                return False
        elif not await is_served(config.system_url):
            await outbox.discard()
            return True
        return await outbox.wait_until_heard()
    except DATABASE_ERRORS:
        return False  # there may be one


def _migrate_unserved() -> bool:
    """Migrate the database unless a server runs, which has done so; whether none runs."""
    from chat_app.db.data_folder import DataFolderInUse

    try:
        migrate_database()
    except DataFolderInUse:
        return False
    return True
