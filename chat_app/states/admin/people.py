"""The users of the installation, and what an admin does to them."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import reflex as rx

from chat_app.auth.account.people import ListedUser
from chat_app.auth.principal import Principal
from chat_app.core.clock import utc_now
from chat_app.reflex_ext.events import var_emitter
from chat_app.services import services
from chat_app.states import current_principal
from chat_app.states.account import ago, day, fact_line
from chat_app.states.admin import AdminState, SearchedState


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


@dataclass(frozen=True)
class LinkItem:
    """A link by which a user chooses a password; empty for none.

    Args:
        url: The link.
        email: Whose it is.
    """

    url: str = ""
    email: str = ""


def listed_user_item(user: ListedUser, me: UUID, now: datetime) -> ListedUserItem:
    """A user as the list shows them to an admin.

    Args:
        user: The user.
        me: The admin.
        now: The time.
    """
    if user.last_seen_at:
        seen = f"seen {ago(user.last_seen_at, now)}"
    else:
        seen = "not seen lately" if user.has_signed_in else "never signed in"
    count = "1 session" if user.sessions == 1 else f"{user.sessions} sessions"
    detail = fact_line(f"created {day(user.created_at)}", seen, count)
    return ListedUserItem(
        *(str(user.id), user.email, user.name, detail),
        is_me=user.id == me,
        is_admin=user.is_admin,
        is_verified=user.is_verified,
        is_disabled=user.is_disabled,
        has_two_factor=user.has_two_factor,
        has_sessions=user.sessions > 0,
    )


class PeopleState(SearchedState, AdminState, rx.State):
    """A page of the list of users.

    Attributes:
        link: A link that lets a user in, sent to the tab and kept nowhere else; and whose it is.
    """

    items: rx.Field[list[ListedUserItem]] = rx.field(default_factory=list)
    link: rx.Field[LinkItem] = rx.field(default_factory=LinkItem)
    made: rx.Field[int] = rx.field(0)
    """How many were added in this tab: the form of the next one is empty."""

    async def _read(self, principal: Principal) -> None:
        now = utc_now()
        page = await services().people.find(self.text, self.number)
        self.items = [listed_user_item(one, principal.user_id, now) for one in page.users]
        self.total, self.number, self.has_more = page.total, page.number, page.has_more

    @rx.event
    async def add_user(self, form: dict[str, str]):
        """Add a user, and show the link for them."""
        admin, email = current_principal(), form["email"]
        added = services().people.add_user(admin, email, form["name"])
        if await self._show_link(email, added):
            self.made += 1

    @rx.event
    async def reset_link(self, user_id: str):
        """Show a link by which a user chooses a new password."""
        email = next((one.email for one in self.items if one.id == user_id), "")
        link = services().people.reset_link(current_principal(), UUID(user_id))
        await self._show_link(email, link)

    @rx.event
    async def hide_link(self):
        """Take the link from the page."""
        await _emit_link(LinkItem())

    @rx.event
    async def disable(self, user_id: str):
        """Disable a user."""
        await self._do(services().people.disable(current_principal(), UUID(user_id)))

    @rx.event
    async def enable(self, user_id: str):
        """Enable a user."""
        await self._do(services().people.enable(current_principal(), UUID(user_id)))

    @rx.event
    async def delete(self, user_id: str):
        """Delete a user with all their chats."""
        await self._do(services().people.delete(current_principal(), UUID(user_id)))

    @rx.event
    async def end_sessions(self, user_id: str):
        """Sign a user out everywhere."""
        await self._do(services().people.end_sessions(current_principal(), UUID(user_id)))

    @rx.event
    async def reset_two_factor(self, user_id: str):
        """Turn off a user's two-factor authentication."""
        await self._do(services().people.reset_two_factor(current_principal(), UUID(user_id)))

    @rx.event
    async def promote(self, user_id: str):
        """Make a user an admin."""
        await self._do(services().people.set_role(current_principal(), UUID(user_id), "admin"))

    @rx.event
    async def demote(self, user_id: str):
        """Take the role from an admin."""
        await self._do(services().people.set_role(current_principal(), UUID(user_id), ""))

    async def _show_link(self, email: str, link: Awaitable[str]) -> bool:
        """Whether a link was made, which the tab shows then."""
        made: list[LinkItem] = []

        async def make() -> None:
            made.append(LinkItem(await link, email))

        if not await self._do(make()):
            return False
        await _emit_link(made[0])
        return True


_emit_link = var_emitter(PeopleState, "link")
