"""The command line `chat-app`. Each command imports what it needs, so that `--help` is fast."""

import asyncio
import importlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from chat_app.core.errors import ChatError, DatabaseUnreachable
from chat_app.settings import ConfigError, settings

if TYPE_CHECKING:
    from chat_app.services import Services

PROJECT = Path(__file__).resolve().parents[1]

_EXIT_FAILED = 1
_EXIT_USAGE = 2
_EXIT_SIGTERM = 143

# The URL is not repeated: it may contain the password.
_DATABASE_UNREACHABLE = (
    "The database cannot be reached. Check that it is running, that its disk has free space, and "
    "that DATABASE_URL has the right host, user and password."
)

_UserEmail = Annotated[str, typer.Argument(help="The email of the user.")]

cli = typer.Typer(
    name="chat-app",
    help="A private chat application for language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
user = typer.Typer(help="Manage users.", no_args_is_help=True)
cli.add_typer(user, name="user")


def main() -> None:
    """Run the command line; an error the operator can fix is printed as one line."""
    # Reflex, and relative paths in the settings, expect the project's folder.
    os.chdir(PROJECT)
    # The operator's hook functions may be there; installed packages come first.
    sys.path.append(str(PROJECT))
    try:
        cli()
    except ConfigError as error:
        _fail(f"Invalid setting. {error}", _EXIT_USAGE)
    except DatabaseUnreachable:
        _fail(_DATABASE_UNREACHABLE, _EXIT_FAILED)
    except ChatError as error:
        _fail(error.message, _EXIT_FAILED)


@cli.command()
def run(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port; the default is PORT.")
    ] = None,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Migrate the database, build the page if its sources changed, and serve."""
    import uvloop

    from chat_app.reflex_ext.build import SERVING, BakedSettings
    from chat_app.server import frontend
    from chat_app.server.server import check_port, serve

    if port is not None:
        os.environ["PORT"] = str(port)
    config = settings()
    check_port(config.host, config.port)
    _ = config.secret  # an unusable secret stops the start before anything is written
    _migrate()
    # Until the server handles signals itself, exit by an exception, which stops the build too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_EXIT_SIGTERM))
    baked = BakedSettings.of(config)
    if not frontend.is_built(PROJECT, baked):
        typer.echo("Building the page; this takes a few seconds.")
        frontend.build(PROJECT, baked)

    ports = {"REFLEX_FRONTEND_PORT": str(config.port), "REFLEX_BACKEND_PORT": str(config.port)}
    os.environ.update(SERVING | ports)
    settings.cache_clear()
    config = settings()
    program = importlib.import_module("chat_app.chat_app").app()
    serving = serve(
        program,
        host=config.host,
        port=config.port,
        name=config.url.split("//", 1)[1],
        ready=lambda: typer.echo(f"The chat is at {config.url}"),
        with_parent=with_parent,
    )
    uvloop.run(serving)


@cli.command()
def dev() -> None:
    """Development: serve the sources on two ports and reload when they change."""
    from chat_app.server.server import check_port

    os.environ["REFLEX_ENV_MODE"] = "dev"
    config = settings()
    for port in (config.page_port, config.api_port):
        check_port("127.0.0.1", port)
    ports = ["--frontend-port", str(config.page_port), "--backend-port", str(config.api_port)]
    os.execv(sys.executable, [sys.executable, "-m", "reflex", "run", *ports])  # noqa: S606


@cli.command()
def migrate() -> None:
    """Migrate the database to the latest revision; a SQLite file is backed up first."""
    migrated = _migrate()
    typer.echo("The database was migrated." if migrated else "The database is already up to date.")


@user.command("add")
def add_user(
    email: Annotated[str, typer.Argument(help="The email to sign in with.")],
    name: Annotated[str, typer.Option(help="The display name.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Add a user who signs in with a password."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    _with_services(lambda services: services.accounts.add(email, password, name))
    typer.echo(f"{email} can sign in now.")


@user.command("disable")
def disable_user(email: _UserEmail) -> None:
    """Disable a user and end their sessions; a running server follows within 15 seconds."""
    from chat_app.auth.account.disable import find_user

    async def disable(services: "Services") -> None:
        user_id = await find_user(services.db, email)
        session_count = await services.user_access.disable(user_id)
        sessions = "session" if session_count == 1 else "sessions"
        typer.echo(f"{email} is disabled; {session_count} {sessions} ended.")

    _with_services(disable)


@user.command("enable")
def enable_user(email: _UserEmail) -> None:
    """Let a disabled user sign in again."""
    from chat_app.auth.account.disable import find_user

    async def enable(services: "Services") -> None:
        await services.user_access.enable(await find_user(services.db, email))

    _with_services(enable)
    typer.echo(f"{email} can sign in again.")


@cli.command()
def seed(
    email: _UserEmail,
    threads: Annotated[int, typer.Option(min=0, help="Number of short threads.")] = 0,
    messages: Annotated[int, typer.Option(min=0, help="One thread with this many messages.")] = 0,
) -> None:
    """Fill an account with sample conversations."""
    from chat_app.seed import principal_by_email, seed_messages, seed_threads

    if not threads and not messages:
        _fail("Pass --threads N, --messages N, or both.", _EXIT_USAGE)

    async def fill(services: "Services") -> None:
        principal = await principal_by_email(services.db, email)
        await seed_threads(services.db, principal, threads)
        if messages:
            thread_id = await seed_messages(services.db, principal, messages)
            typer.echo(f"/c/{thread_id}")

    _with_services(fill)


@cli.command()
def models() -> None:
    """List the offered models; an asterisk marks the default."""
    from chat_app.llm.registry import Models

    registry = Models(settings())
    default = registry.default().id
    for model in registry.all():
        typer.echo(f"{'*' if model.id == default else ' '} {model.id}")


def _migrate() -> bool:
    from chat_app.db.data_folder import lock_data_folder
    from chat_app.db.migrations import upgrade

    config = settings()
    with lock_data_folder(config.data_dir):
        return upgrade(config)


def _with_services(command: Callable[["Services"], Awaitable[object]]) -> None:
    """Migrate and run a command with the services of the program, without a server."""
    from chat_app.db.data_folder import DataFolderInUse
    from chat_app.db.migrations import check
    from chat_app.services import Services

    try:
        _migrate()
    except DataFolderInUse:  # a running server has migrated already
        check(settings())

    async def execute() -> None:
        services = Services(settings())
        try:
            await command(services)
        finally:
            await services.stop()

    asyncio.run(execute())


def _fail(message: str, exit_code: int) -> NoReturn:
    typer.echo(f"chat-app: {message}", err=True)
    raise SystemExit(exit_code)


if __name__ == "__main__":
    main()
