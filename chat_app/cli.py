"""The command line: `chat-app`. Each command loads what it needs, so that `--help` is quick."""

import asyncio
import importlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from chat_app.core.errors import ChatError
from chat_app.db.errors import DatabaseUnreachable
from chat_app.settings import ConfigError, settings

if TYPE_CHECKING:
    from chat_app.services import Services

PROJECT = Path(__file__).resolve().parents[1]

_FAILED = 1
_MISUSED = 2
_TERMINATED = 143

# Where it is, is not repeated: an address with a slip in it may show its password.
_OUT_OF_REACH = (
    "The database cannot be reached. Look whether it runs, whether there is room on its disk, and "
    "whether DATABASE_URL names it with the right user and password."
)

cli = typer.Typer(
    name="chat-app",
    help="A private chat application for language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
user = typer.Typer(help="The people who may sign in.", no_args_is_help=True)
cli.add_typer(user, name="user")


def main() -> None:
    """Run the command line; what a person can put right is said in one line."""
    # Relative paths in the settings, and Reflex itself, mean the project's folder.
    os.chdir(PROJECT)
    # The operator's functions may be there too; what is installed comes first.
    sys.path.append(str(PROJECT))
    try:
        cli()
    except ConfigError as wrong:
        _fail(f"Wrong setting. {wrong}", _MISUSED)
    except DatabaseUnreachable:
        _fail(_OUT_OF_REACH, _FAILED)
    except ChatError as error:
        _fail(error.message, _FAILED)


@cli.command()
def run(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port; PORT otherwise.")
    ] = None,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Migrate the database, build the page when it changed, and serve."""
    from chat_app.server import frontend
    from chat_app.server.server import check_port

    if port is not None:
        os.environ["PORT"] = str(port)
    here = settings()
    check_port(here.host, here.port)
    _ = here.secret  # one that cannot be used is said before anything is made
    _migrate()
    # Until the server listens to signals itself: end by an exception, which ends the build too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    if not frontend.is_built(PROJECT):
        typer.echo("Building the page; this takes a few seconds.")
        frontend.build(PROJECT)

    from chat_app.server.server import serve

    page = {"REFLEX_FRONTEND_PORT": str(here.port), "REFLEX_BACKEND_PORT": str(here.port)}
    os.environ.update(frontend.SERVING | page)
    settings.cache_clear()
    here = settings()
    program = importlib.import_module("chat_app.chat_app").app()
    serve(
        program,
        host=here.host,
        port=here.port,
        name=here.url.split("//", 1)[1],
        ready=lambda: typer.echo(f"The chat is at {here.url}"),
        with_parent=with_parent,
    )


@cli.command()
def dev() -> None:
    """Serve from the sources on two ports, and reload when they change."""
    from chat_app.server.server import check_port

    os.environ["REFLEX_ENV_MODE"] = "dev"
    here = settings()
    for port in (here.page_port, here.api_port):
        check_port("127.0.0.1", port)
    ports = ["--frontend-port", str(here.page_port), "--backend-port", str(here.api_port)]
    os.execv(sys.executable, [sys.executable, "-m", "reflex", "run", *ports])  # noqa: S606


@cli.command()
def migrate() -> None:
    """Bring the database to this program's revision; a SQLite file is backed up first."""
    done = _migrate()
    typer.echo("The database is up to date." if done else "The database was up to date.")


@user.command("add")
def add_user(
    email: Annotated[str, typer.Argument(help="The address to sign in with.")],
    name: Annotated[str, typer.Option(help="What to call them.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Add a person who signs in with a password."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    _up_to_date()

    async def add(live: "Services") -> None:
        await live.accounts.add(email, password, name)

    _with_services(add)
    typer.echo(f"{email} can sign in now.")


@user.command("disable")
def disable_user(
    email: Annotated[str, typer.Argument(help="Whom to shut out.")],
) -> None:
    """Shut a person out and end their sessions; a running server lets go within 15 seconds."""
    _up_to_date()

    async def disable(live: "Services") -> None:
        ended = await live.user_access.disable(await live.user_access.named(email))
        typer.echo(f"{email} is shut out; {ended} sessions ended.")

    _with_services(disable)


@user.command("enable")
def enable_user(
    email: Annotated[str, typer.Argument(help="Whom to let in again.")],
) -> None:
    """Let a person who was shut out sign in again."""
    _up_to_date()

    async def enable(live: "Services") -> None:
        await live.user_access.enable(await live.user_access.named(email))

    _with_services(enable)
    typer.echo(f"{email} can sign in again.")


@cli.command()
def seed(
    email: Annotated[str, typer.Argument(help="Whose account to fill.")],
    threads: Annotated[int, typer.Option(min=0, help="This many short threads.")] = 0,
    messages: Annotated[int, typer.Option(min=0, help="One thread of this many messages.")] = 0,
) -> None:
    """Fill an account with made-up conversations."""
    from chat_app.seed import person_called, seed_messages, seed_threads

    if not threads and not messages:
        _fail("Say how much: --threads N, --messages N, or both.", _MISUSED)
    _up_to_date()

    async def fill(live: "Services") -> None:
        person = await person_called(live.db, email)
        await seed_threads(live.db, person, threads)
        if messages:
            thread_id = await seed_messages(live.db, person, messages)
            typer.echo(f"/c/{thread_id}")

    _with_services(fill)


@cli.command()
def models() -> None:
    """List the models that are offered; a star marks the default."""
    from chat_app.llm.registry import Models

    found = Models(settings())
    listed = found.all()
    default = found.default().id
    for model in listed:
        typer.echo(f"{'*' if model.id == default else ' '} {model.id}")


def _migrate() -> bool:
    from chat_app.db.data_folder import DataFolder
    from chat_app.db.migrations import upgrade

    here = settings()
    with DataFolder(here.data_dir):
        return upgrade(here)


def _up_to_date() -> None:
    """Migrate, or leave that to the server where one runs."""
    from chat_app.db.errors import DataFolderInUse
    from chat_app.db.migrations import check

    try:
        _migrate()
    except DataFolderInUse:
        check(settings())


def _with_services(work: Callable[["Services"], Awaitable[None]]) -> None:
    """Do something with the parts of the program, without a server."""
    from chat_app.services import Services

    async def do() -> None:
        live = Services.build(settings())
        try:
            await work(live)
        finally:
            await live.stop()

    asyncio.run(do())


def _fail(sentence: str, code: int) -> NoReturn:
    typer.echo(f"chat-app: {sentence}", err=True)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
