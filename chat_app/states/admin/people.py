"""The users of the installation, and what an admin does to them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import reflex as rx

from chat_app.auth.account.people import ListedUser
from chat_app.auth.principal import Principal
from chat_app.core.clock import utc_now
from chat_app.core.errors import ChatError
from chat_app.reflex_ext.events import var_emitter
from chat_app.services import services
from chat_app.states import current_principal, try_action
from chat_app.states.account import ago
from chat_app.states.admin import AdminState


@dataclass(frozen=True)
class ListedUserItem:
    """A user of the list.

    Args:
        id: Names them in events.
        email: Their email.
        name: Their display name; may be empty.
        detail: When they were created and seen.
        is_me: Whether it is the admin who looks.
        is_admin: Whether they are an admin.
        is_verified: Whether the email is verified.
        is_disabled: Whether they are disabled.
        has_two_factor: Whether two-factor authentication is on.
        has_sessions: Whether they are signed in anywhere.
    """

    id: str
    email: str
    name: str
    detail: str
    is_me: bool
    is_admin: bool
    is_verified: bool
    is_disabled: bool
    has_two_factor: bool
    has_sessions: bool


def listed_user_item(user: ListedUser, me: UUID, now: datetime) -> ListedUserItem:
    """A user as the list shows them to an admin.

    Args:
        user: The user.
        me: The admin.
        now: The time.
    """
    seen = f"seen {ago(user.last_seen_at, now)}" if user.last_seen_at else "not seen lately"
    count = "1 session" if user.sessions == 1 else f"{user.sessions} sessions"
    created = f"created {user.created_at:%Y-%m-%d}"
    return ListedUserItem(
        *(str(user.id), user.email, user.name, " · ".join((created, seen, count))),
        is_me=user.id == me,
        is_admin=user.is_admin,
        is_verified=user.is_verified,
        is_disabled=user.is_disabled,
        has_two_factor=user.has_two_factor,
        has_sessions=user.sessions > 0,
    )


class PeopleState(AdminState, rx.State):
    """A page of the list of users.

    `link` is sent to the tab and kept nowhere else: it lets a user in.
    """

    items: rx.Field[list[ListedUserItem]] = rx.field(default_factory=list)
    text: rx.Field[str] = rx.field("")
    total: rx.Field[int] = rx.field(0)
    number: rx.Field[int] = rx.field(0)
    has_more: rx.Field[bool] = rx.field(False)
    link: rx.Field[str] = rx.field("")
    link_of: rx.Field[str] = rx.field("")

    async def _read(self, principal: Principal) -> None:
        now = utc_now()
        page = await services().people.find(self.text, self.number)
        self.items = [listed_user_item(one, principal.user_id, now) for one in page.users]
        self.total, self.number, self.has_more = page.total, page.number, page.has_more

    @rx.event
    async def find(self, text: str):
        """Search."""
        self.text, self.number = text, 0
        await self._read(current_principal())

    @rx.event
    async def next_page(self):
        """Show the next page of the list."""
        self.number += 1
        await self._read(current_principal())

    @rx.event
    async def previous_page(self):
        """Show the page before this one."""
        self.number -= 1
        await self._read(current_principal())

    @rx.event
    async def add_user(self, form: dict[str, str]):
        """Add a user, and show the link for them."""
        admin, email = current_principal(), form["email"]
        await self._show_link(email, services().people.add_user(admin, email, form["name"]))

    @rx.event
    async def reset_link(self, user_id: str):
        """Show a link by which a user chooses a new password."""
        email = next((one.email for one in self.items if one.id == user_id), "")
        link = services().people.reset_link(current_principal(), UUID(user_id))
        await self._show_link(email, link)

    @rx.event
    async def hide_link(self):
        """Take the link from the page."""
        self.link_of = ""
        await _emit_link("")

    @rx.event
    async def disable(self, user_id: str):
        """Disable a user."""
        await self._do(services().people.disable, user_id)

    @rx.event
    async def enable(self, user_id: str):
        """Enable a user."""
        await self._do(services().people.enable, user_id)

    @rx.event
    async def delete(self, user_id: str):
        """Delete a user with all their chats."""
        await self._do(services().people.delete, user_id)

    @rx.event
    async def end_sessions(self, user_id: str):
        """Sign a user out everywhere."""
        await self._do(services().people.end_sessions, user_id)

    @rx.event
    async def reset_two_factor(self, user_id: str):
        """Turn off a user's two-factor authentication."""
        await self._do(services().people.reset_two_factor, user_id)

    @rx.event
    async def promote(self, user_id: str):
        """Make a user an admin."""
        await self._do(services().people.set_role, user_id, "admin")

    @rx.event
    async def demote(self, user_id: str):
        """Take the role from an admin."""
        await self._do(services().people.set_role, user_id, "")

    async def _do(self, action: Callable[..., Awaitable[object]], user_id: str, *more: Any) -> None:
        """Do something to a user, and show what became of the list."""
        self.notice = ""
        principal = current_principal()
        await try_action(self, action(principal, UUID(user_id), *more))
        await self._read(principal)

    async def _show_link(self, email: str, link: Awaitable[str]) -> None:
        self.notice, self.link_of = "", ""
        try:
            made = await link
        except ChatError as error:
            self.notice = error.message
            return
        self.link_of = email
        await self._read(current_principal())
        await _emit_link(made)


async def _emit_link(link: str) -> None:
    """Send the link to the tab alone."""
    await var_emitter(PeopleState, "link")(link)
