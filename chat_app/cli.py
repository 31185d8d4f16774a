"""The command line `chat-app`. Each command imports what it needs, so that `--help` is fast."""

import asyncio
import contextlib
import errno
import gc
import importlib
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from chat_app.audit_commands import audit
from chat_app.command_services import migrate_database, with_services
from chat_app.core.errors import ChatError, DatabaseUnreachable
from chat_app.settings import ConfigError, Settings, read_settings, settings
from chat_app.settings.database import using_data_dir
from chat_app.settings.validation import problem_of
from chat_app.usage_commands import print_usage
from chat_app.user_commands import UserEmail, user

if TYPE_CHECKING:
    from chat_app.services import Services

PROJECT = Path(__file__).resolve().parents[1]

_OUTPUT_FAILED = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO)

_EXIT_FAILED = 1
_EXIT_USAGE = 2
_EXIT_SIGTERM = 143

# The URL is not repeated: it may contain the password.
_SERVER_UNREACHABLE = (
    "The database cannot be reached. Check that it is running, that its disk has free space, and "
    "that DATABASE_URL (DATABASE_SYSTEM_URL, DATABASE_ADMIN_URL) has the right host, user and "
    "password."
)

_MAX_THREADS = 100_000
"""What `seed` writes in a minute or two; they take 0.5 GB."""
_MAX_MESSAGES = 10_000
"""They are one transaction of about three seconds; a server waits five for its own turn."""

_started_in = Path()
"""Where the command was called: paths in its arguments begin there."""


class _Commands(TyperGroup):
    """The commands; a wrong argument is told in the words of a wrong setting."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if isinstance(error.__cause__, ValidationError):
                error.message = problem_of(error.__cause__.errors()[0])
            raise


cli = typer.Typer(
    name="chat-app",
    cls=_Commands,
    help="A private chat application for language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
mail = typer.Typer(help="Check the mail server.", no_args_is_help=True)
oidc = typer.Typer(help="Check identity providers.", no_args_is_help=True)
cli.add_typer(user, name="user")
cli.add_typer(audit, name="audit")
cli.add_typer(mail, name="mail")
cli.add_typer(oidc, name="oidc")
cli.command("usage")(print_usage)


def main() -> None:
    """Run the command line; an error the operator can fix is printed as one line."""
    global _started_in
    with contextlib.suppress(FileNotFoundError):  # the folder was removed meanwhile
        _started_in = Path.cwd()
    # Reflex, and relative paths in the settings, expect the project's folder.
    os.chdir(PROJECT)
    # The operator's hook functions may be there; installed packages come first.
    sys.path.append(str(PROJECT))
    for stream, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, stream) is None:  # it is closed
            setattr(sys, stream, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    try:
        try:
            cli()
        finally:
            sys.stdout.flush()  # what can't be written is said here; at the exit it can't be
    except ConfigError as error:
        _fail(f"Invalid setting. {error}", _EXIT_USAGE)
    except DatabaseUnreachable as error:
        _fail(_unreachable(error), _EXIT_FAILED)
    except ChatError as error:
        _fail(error.message, _EXIT_FAILED)
    except OSError as error:
        if error.filename or error.errno not in _OUTPUT_FAILED:
            raise
        with contextlib.suppress(OSError):  # what is buffered would be written at the exit again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise SystemExit(_EXIT_FAILED) from None
        _fail(f"The output could not be written: {error.strerror}.", _EXIT_FAILED)


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
    """Migrate the database, build the page if its sources changed, and serve.

    Where another host has the pages (REFLEX_API_URL), none are built and none are served.
    """
    if port is not None:
        os.environ["PORT"] = str(port)
    with _no_garbage_collection():
        import uvloop

        serving = _load_server(with_parent)
    uvloop.run(serving)


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Load without garbage collection: what is loaded lives as long as the process."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _load_server(with_parent: bool) -> Coroutine[Any, Any, None]:
    config = settings()  # before the slow imports, so that an invalid one is said at once

    from chat_app.reflex_ext.build import SERVING, SERVING_ROUTES, BakedSettings, serve_pages
    from chat_app.server import frontend
    from chat_app.server.server import check_port, serve

    check_port(config.host, config.port)
    _ = config.secret  # an unusable secret stops the start before anything is written
    migrate_database(to_serve=True)
    # Until the server handles signals itself, exit by an exception, which stops the build too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_EXIT_SIGTERM))
    if config.has_pages:
        serve_pages(
            frontend.built_pages(
                PROJECT,
                BakedSettings.of(config),
                building=lambda: typer.echo("Building the page; this takes a few seconds."),
            )
        )

    ports = {"REFLEX_FRONTEND_PORT": str(config.port), "REFLEX_BACKEND_PORT": str(config.port)}
    os.environ.update((SERVING if config.has_pages else SERVING_ROUTES) | ports)
    settings.cache_clear()
    config = settings()
    program = importlib.import_module("chat_app.chat_app").app()
    return serve(
        program,
        host=config.host,
        port=config.port,
        name=config.api_url.split("//", 1)[1],
        ready=lambda: typer.echo(_where_it_is(config)),
        with_parent=with_parent,
    )


def _where_it_is(config: Settings) -> str:
    if config.has_pages:
        return f"The chat is at {config.url}"
    return f"The server is at {config.api_url}; its pages are expected at {config.url}"


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
    migrated = migrate_database()
    typer.echo("The database was migrated." if migrated else "The database is already up to date.")


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
    from chat_app.db.data_folder import make_private_folder, require_database

    database, folder = _sqlite_file("pg_dump"), settings().data_dir / "backups"
    require_database(database)
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
    from chat_app.db.data_folder import STOP_FIRST, lock_data_folder
    from chat_app.db.restore import restore_backup

    database = _sqlite_file("pg_restore")
    with lock_data_folder(settings().data_dir, advice=STOP_FIRST):
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
    from chat_app.db.data_folder import STOP_FIRST, lock_data_folder, require_database
    from chat_app.db.migrations import upgrade
    from chat_app.db.move import move as move_database

    config, database = settings(), _sqlite_file("pg_dump and pg_restore")
    if not to.startswith(("postgresql://", "postgres://")):
        _fail("--to must begin with postgresql://", _EXIT_USAGE)
    try:
        target = read_settings(database_url=to)
    except ConfigError as error:
        _fail(str(error).replace("DATABASE_URL:", "--to"), _EXIT_USAGE)
    require_database(database)
    with lock_data_folder(config.data_dir, advice=STOP_FIRST):
        upgrade(config)
        rows = move_database(config, target, typer.echo)
    typer.echo(f"Moved {rows:,} rows; each is the same in both. {database} has not changed.")
    typer.echo("Next: set DATABASE_URL as docs/postgresql.md says, then start the server.")
    if not config.auth_secret.get_secret_value():
        typer.echo(f"Keep {config.data_dir / 'secret'}: sessions and two-factor codes need it.")


@cli.command()
def seed(
    email: UserEmail,
    threads: Annotated[
        int, typer.Option(min=0, max=_MAX_THREADS, help="Number of short threads.")
    ] = 0,
    messages: Annotated[
        int, typer.Option(min=0, max=_MAX_MESSAGES, help="One thread with this many messages.")
    ] = 0,
) -> None:
    """Fill an account with sample conversations."""
    from chat_app.core.signals import Signal, user_topic
    from chat_app.seed import principal_by_email, seed_messages, seed_threads

    if not threads and not messages:
        _fail("Pass --threads N, --messages N, or both.", _EXIT_USAGE)

    async def fill(services: "Services") -> None:
        principal = await principal_by_email(services.db, email)
        services.bus.publish(user_topic(principal.user_id), Signal("threads"))  # heard at the end
        await seed_threads(services.db, principal, threads)
        if threads:
            typer.echo(f"Added {threads} chats to {email}.")
        if messages:
            thread_id = await seed_messages(services.db, principal, messages)
            typer.echo(f"Added a chat with {messages} messages: /c/{thread_id}")

    with_services(fill)


@cli.command()
def models() -> None:
    """List the offered models; an asterisk marks the default."""
    from chat_app.auth.operator_hooks import load_function
    from chat_app.llm.registry import Models

    config = settings()
    registry = Models(config)
    load_function(config.auth_on_sign_in, "AUTH_ON_SIGN_IN")
    load_function(config.auth_session_hook, "AUTH_SESSION_HOOK")
    default = registry.default().id
    for model in registry.all():
        typer.echo(f"{'*' if model.id == default else ' '} {model.id}")


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
