"""The commands `chat-app user`: add, change, list and delete users, also beside a server."""

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from chat_app.command_services import with_services
from chat_app.core.errors import InvalidInput
from chat_app.core.text import visible_line
from chat_app.settings import settings

if TYPE_CHECKING:
    from chat_app.db.tables import User
    from chat_app.services import Services

_T = TypeVar("_T")

_NO_ADMIN = "There is no admin now. To make a user one: chat-app user promote EMAIL"
_OR_BY_LINK = "Or restart the server, and open the link that it prints."

UserEmail = Annotated[str, typer.Argument(help="The email of the user.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]

user = typer.Typer(help="Manage users.", no_args_is_help=True)


@user.command("add")
def add_user(
    email: Annotated[str, typer.Argument(help="The email to sign in with.")],
    name: Annotated[str, typer.Option(help="The display name.")] = "",
    password_stdin: _PasswordStdin = False,
) -> None:
    """Add a user who signs in with a password."""
    from chat_app.auth.account.disable import UserNotFound
    from chat_app.auth.account.profile import clean_display_name
    from chat_app.auth.emails import normalise
    from chat_app.auth.errors import EmailTaken
    from chat_app.auth.sign_in.passwords import judge_password, known_words
    from chat_app.db.data_folder import DatabaseMissing

    read_password = _password_source(password_stdin)
    taken = InvalidInput(f"{email} has an account already.")
    known = known_words(normalise(email), clean_display_name(name))
    try:
        _require_user(email)
    except (DatabaseMissing, UserNotFound):
        password = read_password()
    else:
        raise taken
    judge_password(settings(), password, known)  # before a database is made
    try:
        with_services(
            lambda services: services.accounts.add(email, password, name), makes_database=True
        )
    except EmailTaken:
        raise taken from None
    typer.echo(f"{email} can sign in now.")


@user.command("disable")
def disable_user(email: UserEmail, yes: _Yes = False) -> None:
    """Disable a user and end their sessions, on a running server at once."""
    count, is_last = _even_the_last_admin(
        email,
        None if yes else "Disable them?",
        lambda services, user_id, keeps_an_admin: services.user_access.disable(
            user_id, keeps_an_admin=keeps_an_admin
        ),
    )
    typer.echo(f"{email} is disabled; {_sessions(count)} ended.")
    if is_last:
        _say_there_is_no_admin()


@user.command("enable")
def enable_user(email: UserEmail) -> None:
    """Let a disabled user sign in again."""
    _with_user(email, lambda services, user_id: services.user_access.enable(user_id))
    typer.echo(f"{email} can sign in again.")


@user.command("list")
def list_users() -> None:
    """List the users with their state and when they were last seen."""
    users = with_services(lambda services: services.administration.list())
    if not users:
        typer.echo("There are no users yet.")
        return
    rows = [("EMAIL", "NAME", "CREATED", "LAST SEEN", "STATE")]
    for one in users:
        state = (
            "admin" if one.is_admin else "",
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
def delete_user(email: UserEmail, yes: _Yes = False) -> None:
    """Delete a user with all their chats. This can't be undone."""
    if not yes:
        _confirm(f"Delete {email} with all their chats? This can't be undone.")
    _, is_last = _even_the_last_admin(
        email,
        None if yes else "Delete them?",
        lambda services, user_id, keeps_an_admin: services.administration.delete(
            user_id, keeps_an_admin=keeps_an_admin
        ),
    )
    typer.echo(f"{email} is deleted.")
    if is_last:
        _say_there_is_no_admin()


@user.command("password")
def set_password(email: UserEmail, password_stdin: _PasswordStdin = False) -> None:
    """Set a new password, end the user's sessions and unlock the user."""
    read_password = _password_source(password_stdin)
    _require_user(email)
    password = read_password()
    count = _with_user(
        email,
        lambda services, user_id: services.administration.set_password(user_id, password),
    )
    typer.echo(f"{email} has a new password; {_sessions(count)} ended.")


@user.command("verify")
def verify_user(email: UserEmail) -> None:
    """Mark a user's email as verified; you vouch that it is theirs."""
    changed = _with_user(email, lambda services, user_id: services.administration.verify(user_id))
    typer.echo(f"{email} is verified." if changed else f"{email} was verified already.")


@user.command("reset-2fa")
def reset_two_factor(email: UserEmail) -> None:
    """Turn off two-factor authentication for a user who lost the phone and the backup codes."""
    was_on = _with_user(
        email, lambda services, user_id: services.administration.reset_two_factor(user_id)
    )
    now = "can sign in without a second factor" if was_on else "has no second factor"
    typer.echo(f"{email} {now}.")


@user.command("promote")
def promote_user(
    email: UserEmail,
    verify: Annotated[
        bool, typer.Option("--verify", help="You vouch that the email is the user's.")
    ] = False,
) -> None:
    """Make a user an admin of this installation, on a running server at once."""
    changed, one = _with_user(
        email, lambda services, user_id: _promote(services, user_id, verify=verify)
    )
    typer.echo(f"{email} is an admin." if changed else f"{email} was an admin already.")
    if one.email_verified_at is None:
        typer.echo("The email is not verified: make sure that the account is theirs.")
    if one.disabled_at is not None:
        typer.echo(
            f"The account is disabled. To let them sign in: chat-app user enable {one.email}"
        )


@user.command("demote")
def demote_user(email: UserEmail, yes: _Yes = False) -> None:
    """Take the admin role from a user, on a running server at once."""
    changed, is_last = _even_the_last_admin(
        email,
        None if yes else "Take the role away?",
        lambda services, user_id, keeps_an_admin: services.site_roles.demote(
            user_id, keeps_an_admin=keeps_an_admin
        ),
    )
    typer.echo(f"{email} is no longer an admin." if changed else f"{email} is not an admin.")
    if is_last:
        _say_there_is_no_admin()


@user.command("unlock")
def unlock_user(email: UserEmail) -> None:
    """Let a user sign in again after too many failed attempts."""
    _with_user(email, lambda services, user_id: services.administration.unlock(user_id))
    typer.echo(f"{email} is unlocked.")


async def _promote(services: "Services", user_id: UUID, *, verify: bool) -> tuple[bool, "User"]:
    """Make a user an admin; whether they were none, and who they are."""
    if verify:
        await services.administration.verify(user_id)
    one = await services.administration.user(user_id)
    if one.email_verified_at is None and services.settings.email_delivery == "smtp":
        raise InvalidInput(
            "The email is not verified, so the account may be another person's. If you know that "
            "it is theirs, add --verify."
        )
    return await services.site_roles.promote(user_id), one


def _require_user(email: str) -> None:
    """Refuse an email that no user has, before anything is asked.

    Raises:
        InvalidEmail, UserNotFound: See `find_user`.
        DatabaseMissing: There is no SQLite database.
    """
    from chat_app.auth.account.disable import find_user

    with_services(lambda services: find_user(services.db, email))


def _with_user(
    email: str,
    command: Callable[["Services", UUID], Awaitable[_T]],
) -> _T:
    """Run a command with the services and the user of an email."""
    from chat_app.auth.account.disable import find_user

    async def execute(services: "Services") -> _T:
        return await command(services, await find_user(services.db, email))

    return with_services(execute)


def _even_the_last_admin(
    email: str,
    question: str | None,
    command: Callable[["Services", UUID, bool], Awaitable[_T]],
) -> tuple[_T, bool]:
    """Run a command that takes an admin away, the last one only after a question.

    Args:
        email: The email of the user.
        question: What is asked before the last admin is taken away; None asks nothing.
        command: The command; its last argument says whether to refuse to take the last one away.

    Returns:
        The result of the command, and whether the user was the last admin.
    """
    from chat_app.auth.account.roles import LastAdmin

    def run(*, keeps_an_admin: bool) -> _T:
        return _with_user(
            email, lambda services, user_id: command(services, user_id, keeps_an_admin)
        )

    try:
        return run(keeps_an_admin=True), False
    except LastAdmin:
        if question:
            _confirm(f"{email} is the only admin. {question}")
        return run(keeps_an_admin=False), True


def _say_there_is_no_admin() -> None:
    typer.echo(_NO_ADMIN)
    if settings().has_loopback_url:
        typer.echo(_OR_BY_LINK)


def _confirm(question: str) -> None:
    """Go on if the answer is yes; a script has to give `--yes` instead.

    Raises:
        typer.Abort: The answer is no.
        typer.BadParameter: It is a script.
    """
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} In a script, say with --yes that you mean it.")
    typer.confirm(question, abort=True)


def _password_source(from_stdin: bool) -> Callable[[], str]:
    """How to read a new password: from standard input, or by a question on a terminal.

    Raises:
        typer.BadParameter: It is a script that does not give one.
    """
    if from_stdin:
        return lambda: sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter("In a script, give the password with --password-stdin.")
    return partial(typer.prompt, "Password", hide_input=True, confirmation_prompt=True)


def _sessions(count: int) -> str:
    return "1 session" if count == 1 else f"{count} sessions"
