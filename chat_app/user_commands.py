"""The commands `chat-app user`: add, change, list and delete users, also beside a server."""

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from chat_app.command_services import FOLLOWS, UNHEARD, with_services
from chat_app.core.errors import InvalidInput
from chat_app.core.text import visible_line

if TYPE_CHECKING:
    from chat_app.services import Services

_T = TypeVar("_T")

_COUNTS = "It counts failed sign-ins in its memory: restart it to forget them."

UserEmail = Annotated[str, typer.Argument(help="The email of the user.")]
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
    password = _new_password(password_stdin)
    with_services(lambda services: services.accounts.add(email, password, name))
    typer.echo(f"{email} can sign in now.")


@user.command("disable")
def disable_user(email: UserEmail) -> None:
    """Disable a user and end their sessions, on a running server at once."""
    count = _with_user(email, lambda services, user_id: services.user_access.disable(user_id))
    typer.echo(f"{email} is disabled; {_sessions(count)} ended.")


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
def delete_user(
    email: UserEmail,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a user with all their chats. This can't be undone."""
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Delete {email} with all their chats? This can't be undone.", abort=True)
    _with_user(email, lambda services, user_id: services.administration.delete(user_id))
    typer.echo(f"{email} is deleted.")


@user.command("password")
def set_password(email: UserEmail, password_stdin: _PasswordStdin = False) -> None:
    """Set a new password, end the user's sessions and unlock the user."""
    password = _new_password(password_stdin)
    count = _with_user(
        email,
        lambda services, user_id: services.administration.set_password(user_id, password),
        unheard=f"{FOLLOWS} {_COUNTS}",
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
    changed, is_verified = _with_user(
        email, lambda services, user_id: _promote(services, user_id, verify=verify)
    )
    typer.echo(f"{email} is an admin." if changed else f"{email} was an admin already.")
    if not is_verified:
        typer.echo("The email is not verified: make sure that the account is theirs.")


@user.command("demote")
def demote_user(email: UserEmail) -> None:
    """Take the admin role from a user, on a running server at once."""
    changed = _with_user(email, lambda services, user_id: services.site_roles.demote(user_id))
    typer.echo(f"{email} is no longer an admin." if changed else f"{email} is not an admin.")


@user.command("unlock")
def unlock_user(email: UserEmail) -> None:
    """Let a user sign in again after too many failed attempts."""
    _with_user(
        email,
        lambda services, user_id: services.administration.unlock(user_id),
        unheard=f"{UNHEARD}. {_COUNTS}",
    )
    typer.echo(f"{email} is unlocked.")


async def _promote(services: "Services", user_id: UUID, *, verify: bool) -> tuple[bool, bool]:
    """Make a user an admin; whether they were none, and whether their email is verified."""
    if verify:
        await services.administration.verify(user_id)
    is_verified = await services.administration.is_verified(user_id)
    if not is_verified and services.settings.email_delivery == "smtp":
        raise InvalidInput(
            "The email is not verified, so the account may be another person's. If you know that "
            "it is theirs, add --verify."
        )
    return await services.site_roles.promote(user_id), is_verified


def _with_user(
    email: str,
    command: Callable[["Services", UUID], Awaitable[_T]],
    *,
    unheard: str = FOLLOWS,
) -> _T:
    """Run a command with the services and the user of an email."""
    from chat_app.auth.account.disable import find_user

    async def execute(services: "Services") -> _T:
        return await command(services, await find_user(services.db, email))

    return with_services(execute, unheard=unheard)


def _new_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return typer.prompt("Password", hide_input=True, confirmation_prompt=True)


def _sessions(count: int) -> str:
    return "1 session" if count == 1 else f"{count} sessions"
