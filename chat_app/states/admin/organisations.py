"""The organisations of the installation, and what a site admin does to them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound
from chat_app.orgs.administration import ListedMember, ListedMemberPage, ListedOrganisation
from chat_app.services import services
from chat_app.states import current_principal
from chat_app.states.account import day, fact_line
from chat_app.states.admin import AdminState, SearchedState

_ROLES = {"owner": "Owner", "admin": "Admin", "member": "Member"}


@dataclass(frozen=True)
class ListedOrganisationItem:
    """An organisation of the list.

    Args:
        id: Names it in events.
        name: Its name.
        detail: How much is in it, and when it was created.
        has_chats: Whether a chat is in it.
        allows_admin_reading: Whether its admins may read members' chats in it.
    """

    id: str
    name: str
    detail: str
    has_chats: bool
    allows_admin_reading: bool


@dataclass(frozen=True)
class ListedMemberItem:
    """A member of the organisation that is open.

    Args:
        id: Names them in events.
        email: Their email.
        name: Their display name; may be empty.
        role: Their role, in words.
        is_disabled: Whether the user is disabled.
        can_own: Whether a site admin may make them the owner.
    """

    id: str
    email: str
    name: str
    role: str
    is_disabled: bool
    can_own: bool


def listed_organisation_item(
    one: ListedOrganisation, *, is_reading_off: bool
) -> ListedOrganisationItem:
    """An organisation as the list shows it.

    Args:
        one: The organisation.
        is_reading_off: Whether the installation lets no one read.
    """
    counts = _count(one.members, "member"), _count(one.chats, "chat")
    detail = fact_line(*counts, f"created {day(one.created_at)}")
    return ListedOrganisationItem(
        *(str(one.id), one.name, detail),
        has_chats=one.chats > 0,
        allows_admin_reading=one.allows_admin_reading and not is_reading_off,
    )


def listed_member_item(one: ListedMember, me: UUID, *, has_owner: bool) -> ListedMemberItem:
    """A member as a site admin sees them.

    Args:
        one: The member.
        me: The site admin.
        has_owner: Whether an owner of the organisation can sign in.
    """
    return ListedMemberItem(
        *(str(one.user_id), one.email, one.name, _ROLES[one.role]),
        is_disabled=one.is_disabled,
        can_own=(
            not has_owner and not one.is_disabled and one.role != "owner" and one.user_id != me
        ),
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


class AdminOrganisationsState(SearchedState, AdminState, rx.State):
    """A page of the list of organisations, and the members of the one that is open."""

    items: rx.Field[list[ListedOrganisationItem]] = rx.field(default_factory=list)
    opened: rx.Field[str] = rx.field("")
    members: rx.Field[list[ListedMemberItem]] = rx.field(default_factory=list)
    has_more_members: rx.Field[bool] = rx.field(False)
    made: rx.Field[int] = rx.field(0)
    """How many were created in this tab: the form of the next one is empty."""
    _after: str = ""

    async def _read(self, principal: Principal) -> None:
        page = await services().organisation_administration.find(self.text, self.number)
        is_off = not services().settings.admin_reading
        self.items = [
            listed_organisation_item(one, is_reading_off=is_off) for one in page.organisations
        ]
        self.total, self.number, self.has_more = page.total, page.number, page.has_more
        if not any(one.id == self.opened for one in self.items):
            self.opened, self.members = "", []
        if self.opened:
            await self._read_members(principal)

    @rx.event
    async def open(self, org_id: str):
        """Show the members of an organisation, or hide them again."""
        is_open = self.opened == org_id
        self.notice, self.members = "", []
        self.opened = "" if is_open else org_id
        if self.opened:
            await self._read_members(current_principal())

    @rx.event
    async def more_members(self):
        """Show more members below."""
        if self.opened:
            await self._read_members(current_principal(), after=self._after)

    @rx.event
    async def create(self, form: dict[str, str]):
        """Create an organisation."""
        principal = current_principal()
        made = services().organisation_administration.create(principal, form["name"], form["email"])
        if await self._do(made):
            self.made += 1
            if self.text:
                self.text = ""
                await self._read(principal)

    @rx.event
    async def make_owner(self, org_id: str, user_id: str):
        """Make a member the owner."""
        change = services().organisation_administration.make_owner
        await self._do(change(current_principal(), UUID(org_id), UUID(user_id)))

    @rx.event
    async def remove(self, org_id: str, user_id: str):
        """Remove a member."""
        change = services().organisation_administration.remove
        await self._do(change(current_principal(), UUID(org_id), UUID(user_id)))

    @rx.event
    async def forbid_reading(self, org_id: str):
        """Let no admin of an organisation read members' chats."""
        change = services().organisation_administration.forbid_reading
        await self._do(change(current_principal(), UUID(org_id)))

    @rx.event
    async def delete(self, org_id: str):
        """Delete an organisation."""
        change = services().organisation_administration.delete
        await self._do(change(current_principal(), UUID(org_id)))

    async def _read_members(self, principal: Principal, after: str = "") -> None:
        """Read a page of members; behind the ones that are shown if it is not the first one."""
        try:
            page = await services().organisation_administration.members(UUID(self.opened), after)
        except NotFound:  # it was deleted meanwhile
            self.opened, self.members, self.has_more_members = "", [], False
            return
        self._take(page, principal, [*self.members] if after else [])

    def _take(self, page: ListedMemberPage, principal: Principal, shown: list[Any]) -> None:
        more = [
            listed_member_item(one, principal.user_id, has_owner=page.has_owner)
            for one in page.members
        ]
        self.members = [*shown, *more]
        self._after, self.has_more_members = page.next or "", page.next is not None
