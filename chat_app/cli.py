"""The command line `chat-app`. Each command imports what it needs, so that `--help` is fast."""

import asyncio
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar
from uuid import UUID

import typer

from chat_app.core.errors import ChatError, DatabaseUnreachable
from chat_app.core.text import visible_line
from chat_app.settings import ConfigError, read_settings, settings
from chat_app.settings.database import using_data_dir

if TYPE_CHECKING:
    from chat_app.services import Services

_T = TypeVar("_T")

PROJECT = Path(__file__).resolve().parents[1]

_EXIT_FAILED = 1
_EXIT_USAGE = 2
_EXIT_SIGTERM = 143

# The URL is not repeated: it may contain the password.
_SERVER_UNREACHABLE = (
    "The database cannot be reached. Check that it is running, that its disk has free space, and "
    "that DATABASE_URL (DATABASE_SYSTEM_URL, DATABASE_ADMIN_URL) has the right host, user and "
    "password."
)

_UNHEARD = "The server did not hear this"
_FOLLOWS = f"{_UNHEARD}; it follows within 15 seconds."
_COUNTS = "It counts failed sign-ins in its memory: restart it to forget them."

_UserEmail = Annotated[str, typer.Argument(help="The email of the user.")]
_PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]

_started_in = Path()
"""Where the command was called: paths in its arguments begin there."""

cli = typer.Typer(
    name="chat-app",
    help="A private chat application for language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
user = typer.Typer(help="Manage users.", no_args_is_help=True)
mail = typer.Typer(help="Check the mail server.", no_args_is_help=True)
oidc = typer.Typer(help="Check identity providers.", no_args_is_help=True)
cli.add_typer(user, name="user")
cli.add_typer(mail, name="mail")
cli.add_typer(oidc, name="oidc")


def main() -> None:
    """Run the command line; an error the operator can fix is printed as one line."""
    global _started_in
    with contextlib.suppress(FileNotFoundError):  # the folder was removed meanwhile
        _started_in = Path.cwd()
    # Reflex, and relative paths in the settings, expect the project's folder.
    os.chdir(PROJECT)
    # The operator's hook functions may be there; installed packages come first.
    sys.path.append(str(PROJECT))
    try:
        cli()
    except ConfigError as error:
        _fail(f"Invalid setting. {error}", _EXIT_USAGE)
    except DatabaseUnreachable as error:
        _fail(_unreachable(error), _EXIT_FAILED)
    except ChatError as error:
        _fail(error.message, _EXIT_FAILED)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"chat-app {version('chat-app')}")
        raise typer.Exit


@cli.callback()
def options(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """A private chat application for language models."""


@cli.command()
def run(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port; the default is PORT.")
    ] = None,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Migrate the database, build the page if its sources changed, and serve."""
    if port is not None:
        os.environ["PORT"] = str(port)
    config = settings()  # before the slow imports, so that an invalid one is said at once

    import uvloop

    from chat_app.reflex_ext.build import SERVING, BakedSettings, serve_pages
    from chat_app.server import frontend
    from chat_app.server.server import check_port, serve

    check_port(config.host, config.port)
    _ = config.secret  # an unusable secret stops the start before anything is written
    _migrate(to_serve=True)
    # Until the server handles signals itself, exit by an exception, which stops the build too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_EXIT_SIGTERM))
    serve_pages(
        frontend.built_pages(
            PROJECT,
            BakedSettings.of(config),
            building=lambda: typer.echo("Building the page; this takes a few seconds."),
        )
    )

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
    password_stdin: _PasswordStdin = False,
) -> None:
    """Add a user who signs in with a password."""
    password = _new_password(password_stdin)
    _with_services(lambda services: services.accounts.add(email, password, name))
    typer.echo(f"{email} can sign in now.")


@user.command("disable")
def disable_user(email: _UserEmail) -> None:
    """Disable a user and end their sessions, on a running server at once."""
    count = _with_user(email, lambda services, user_id: services.user_access.disable(user_id))
    typer.echo(f"{email} is disabled; {_sessions(count)} ended.")


@user.command("enable")
def enable_user(email: _UserEmail) -> None:
    """Let a disabled user sign in again."""
    _with_user(email, lambda services, user_id: services.user_access.enable(user_id))
    typer.echo(f"{email} can sign in again.")


@user.command("list")
def list_users() -> None:
    """List the users with their state and when they were last seen."""
    users = _with_services(lambda services: services.administration.list())
    if not users:
        typer.echo("There are no users yet.")
        return
    rows = [("EMAIL", "NAME", "CREATED", "LAST SEEN", "STATE")]
    for one in users:
        state = (
            "disabled" if one.is_disabled else "",
            "" if one.is_verified else "unverified",
            "two-factor" if one.has_two_factor else "",
        )
        seen = f"{one.last_seen_at:%Y-%m-%d}" if one.last_seen_at else ""
        created, states = f"{one.created_at:%Y-%m-%d}", ", ".join(filter(None, state))
        rows.append((one.email, visible_line(one.name), created, seen, states))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


@user.command("delete")
def delete_user(
    email: _UserEmail,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a user with all their chats. This can't be undone."""
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Delete {email} with all their chats? This can't be undone.", abort=True)
    _with_user(email, lambda services, user_id: services.administration.delete(user_id))
    typer.echo(f"{email} is deleted.")


@user.command("password")
def set_password(email: _UserEmail, password_stdin: _PasswordStdin = False) -> None:
    """Set a new password, end the user's sessions and unlock the user."""
    password = _new_password(password_stdin)
    count = _with_user(
        email,
        lambda services, user_id: services.administration.set_password(user_id, password),
        unheard=f"{_FOLLOWS} {_COUNTS}",
    )
    typer.echo(f"{email} has a new password; {_sessions(count)} ended.")


@user.command("verify")
def verify_user(email: _UserEmail) -> None:
    """Mark a user's email as verified; you vouch that it is theirs."""
    changed = _with_user(email, lambda services, user_id: services.administration.verify(user_id))
    typer.echo(f"{email} is verified." if changed else f"{email} was verified already.")


@user.command("reset-2fa")
def reset_two_factor(email: _UserEmail) -> None:
    """Turn off two-factor authentication for a user who lost the phone and the backup codes."""
    was_on = _with_user(
        email, lambda services, user_id: services.administration.reset_two_factor(user_id)
    )
    now = "can sign in without a second factor" if was_on else "has no second factor"
    typer.echo(f"{email} {now}.")


@user.command("unlock")
def unlock_user(email: _UserEmail) -> None:
    """Let a user sign in again after too many failed attempts."""
    _with_user(
        email,
        lambda services, user_id: services.administration.unlock(user_id),
        unheard=f"{_UNHEARD}. {_COUNTS}",
    )
    typer.echo(f"{email} is unlocked.")


@mail.command("test")
def send_test_email(
    address: Annotated[str, typer.Argument(metavar="EMAIL", help="Where to send it.")],
) -> None:
    """Send a test email now, and print what the mail server answers."""
    from chat_app.auth.emails import normalise
    from chat_app.auth.sign_in.email_flows import email_templates
    from chat_app.mail.mailer import Mailer

    config = settings()
    email = email_templates(config).test(normalise(address))
    asyncio.run(Mailer.from_settings(config).send_now(email))
    typer.echo(f"The mail server accepted an email to {email.to}.")


@oidc.command("test")
def check_identity_provider(
    name: Annotated[str, typer.Argument(help="Its name, for example acme, google or github.")],
) -> None:
    """Check that an identity provider is reachable and knows this app."""
    from chat_app.auth.oauth.check import check_provider

    asyncio.run(check_provider(settings(), name, typer.echo))


@cli.command()
def backup(
    file: Annotated[
        Path | None,
        typer.Argument(help="A new file, or a folder; the default is DATA_DIR/backups."),
    ] = None,
) -> None:
    """Back up the SQLite database, also while the server runs."""
    from chat_app.db.backups import save_backup
    from chat_app.db.data_folder import make_private_folder

    database, folder = _sqlite_file("pg_dump"), settings().data_dir / "backups"
    if file is None:
        with using_data_dir(folder):
            make_private_folder(folder)
    target = folder if file is None else _started_in / file
    saved = save_backup(database, target, now=datetime.now(UTC))
    typer.echo(f"Saved {saved} ({saved.stat().st_size / 1e6:.1f} MB).")


@cli.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
) -> None:
    """Replace the SQLite database by a backup, while the server is stopped; all sign in again."""
    from chat_app.db.data_folder import lock_data_folder
    from chat_app.db.restore import restore_backup

    database = _sqlite_file("pg_restore")
    with lock_data_folder(settings().data_dir):
        kept = restore_backup(_started_in / file, database, now=datetime.now(UTC))
    typer.echo(f"Restored {file}; users sign in again.")
    if kept:
        typer.echo(f"The former database is {kept}.")


@cli.command()
def move(
    to: Annotated[
        str, typer.Option(metavar="URL", help="An empty PostgreSQL database, as its owner.")
    ],
) -> None:
    """Copy the SQLite database to PostgreSQL and compare every row; the server must be stopped."""
    from chat_app.db.data_folder import lock_data_folder
    from chat_app.db.migrations import upgrade
    from chat_app.db.move import move as move_database

    config, database = settings(), _sqlite_file("pg_dump and pg_restore")
    if not to.startswith(("postgresql://", "postgres://")):
        _fail("--to must begin with postgresql://", _EXIT_USAGE)
    try:
        target = read_settings(database_url=to)
    except ConfigError as error:
        _fail(str(error).replace("DATABASE_URL:", "--to"), _EXIT_USAGE)
    if not database.is_file():
        _fail(f"There is no database at {database}.", _EXIT_FAILED)
    with lock_data_folder(config.data_dir):
        upgrade(config)
        rows = move_database(config, target, typer.echo)
    typer.echo(f"Moved {rows:,} rows; each is the same in both. {database} has not changed.")
    typer.echo("Next: set DATABASE_URL as docs/postgresql.md says, then start the server.")
    if not config.auth_secret.get_secret_value():
        typer.echo(f"Keep {config.data_dir / 'secret'}: sessions and two-factor codes need it.")


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
        if threads:
            typer.echo(f"Added {threads} chats to {email}.")
        if messages:
            thread_id = await seed_messages(services.db, principal, messages)
            typer.echo(f"Added a chat with {messages} messages: /c/{thread_id}")

    _with_services(fill)


@cli.command()
def models() -> None:
    """List the offered models; an asterisk marks the default."""
    from chat_app.llm.registry import Models

    registry = Models(settings())
    default = registry.default().id
    for model in registry.all():
        typer.echo(f"{'*' if model.id == default else ' '} {model.id}")


def _migrate(*, to_serve: bool = False) -> bool:
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


def _with_services(
    command: Callable[["Services"], Awaitable[_T]], *, unheard: str = _FOLLOWS
) -> _T:
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
            if is_served and not await bus.forward(config.data_dir):
                typer.echo(unheard, err=True)
            await services.stop()

    return asyncio.run(execute())


def _migrate_unserved() -> bool:
    """Migrate the database unless a server runs, which has done so; whether none runs."""
    from chat_app.db.data_folder import DataFolderInUse

    try:
        _migrate()
    except DataFolderInUse:
        return False
    return True


def _with_user(
    email: str,
    command: Callable[["Services", UUID], Awaitable[_T]],
    *,
    unheard: str = _FOLLOWS,
) -> _T:
    """Run a command with the services and the user of an email."""
    from chat_app.auth.account.disable import find_user

    async def execute(services: "Services") -> _T:
        return await command(services, await find_user(services.db, email))

    return _with_services(execute, unheard=unheard)


def _new_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return typer.prompt("Password", hide_input=True, confirmation_prompt=True)


def _sessions(count: int) -> str:
    return "1 session" if count == 1 else f"{count} sessions"


def _sqlite_file(other: str) -> Path:
    """The SQLite file; with another database, a usage error that names its own program."""
    path = settings().sqlite_path
    if path is None:
        _fail(f"DATABASE_URL is not SQLite; use the database's own {other}.", _EXIT_USAGE)
    return path


def _unreachable(error: DatabaseUnreachable) -> str:
    path, cause = settings().sqlite_path, error.__cause__
    if path is None:
        return _SERVER_UNREACHABLE
    reason = cause.strerror if isinstance(cause, OSError) else str(cause or "it can't be read")
    return f"The database file {path} can't be used: {reason}."


def _fail(message: str, exit_code: int) -> NoReturn:
    typer.echo(f"chat-app: {message}", err=True)
    raise SystemExit(exit_code)


if __name__ == "__main__":
    main()
