"""The list of the user's organisations, and the page of one: its members, invitations and log."""

import contextlib
from collections.abc import Container
from uuid import UUID

import reflex as rx

from chat_app.audit.queries import AuditPage
from chat_app.auth.principal import Principal
from chat_app.core.errors import DatabaseError, NotFound
from chat_app.core.signals import user_topic
from chat_app.orgs.members import MemberCursor
from chat_app.orgs.roles import checked_role
from chat_app.reflex_ext.events import route_argument, state_key
from chat_app.reflex_ext.tabs import while_open
from chat_app.services import services
from chat_app.states import current_principal
from chat_app.states.account import SettingsState
from chat_app.states.audit_log import AuditLogState
from chat_app.states.organisation_pages.items import (
    InvitationItem,
    MemberItem,
    OrganisationPageItem,
    OwnOrganisationItem,
    ReceivedItem,
    invitation_item,
    member_item,
    organisation_item,
    own_organisation_item,
    received_item,
)
from chat_app.states.reading import ReadingRequestState, blank_request_if_demoted


class OrganisationListState(SettingsState, rx.State):
    """The organisations of the user by name, and their invitations."""

    items: rx.Field[list[OwnOrganisationItem]] = rx.field(default_factory=list)
    received: rx.Field[list[ReceivedItem]] = rx.field(default_factory=list)

    async def _read(self, principal: Principal) -> None:
        organisations = services().organisations
        counts = await organisations.member_counts(principal)
        found = await organisations.of(principal)
        self.items = [own_organisation_item(one, counts.get(one.id, 0)) for one in found]
        received = await services().received_invitations.of(principal)
        self.received = [received_item(one) for one in received]


class OrganisationPageState(SettingsState, rx.State):
    """The organisation in the URL; `missing` if there is none to which the user belongs."""

    organisation: rx.Field[OrganisationPageItem] = rx.field(default_factory=OrganisationPageItem)
    missing: rx.Field[bool] = rx.field(False)
    is_alone: rx.Field[bool] = rx.field(False)
    """Whether the user is the only member."""
    invitations: rx.Field[list[InvitationItem]] = rx.field(default_factory=list)

    async def _read(self, principal: Principal) -> None:
        try:
            org_id = _id_in_url(self)
            view = await services().organisations.get(principal, org_id)
            opened = await services().invitations.open(principal, org_id)
            members = await self.get_state(MembersState)
            if self.organisation.id != str(org_id):
                members.reset()
            is_off = not services().settings.admin_reading
            self.organisation = organisation_item(view, is_reading_off=is_off)
            await show_members(members, principal, self.organisation)
        except NotFound:
            await blank(self)
            self.missing = True
            return
        now = services().clock()
        self.invitations = [invitation_item(one, view.role, now) for one in opened]
        counts = await services().organisations.member_counts(principal)
        self.missing, self.is_alone = False, counts.get(org_id) == 1

    @rx.event(background=True, supersedes=True)
    async def watch(self):
        """Follow changes of the organisation and its members until the socket is closed."""
        await while_open(state_key(), self._watch(current_principal()))

    async def _watch(self, principal: Principal) -> None:
        with services().bus.subscribe(user_topic(principal.user_id)) as batches:
            await self._update(principal)
            async for signals in batches:
                if any(signal.kind == "user" for signal in signals):
                    await self._update(principal)

    async def _update(self, principal: Principal) -> None:
        with contextlib.suppress(DatabaseError):  # the next change, or page, reads again
            async with self:
                await self._read(principal)


def _id_in_url(state: rx.State) -> UUID:
    """The id of the organisation whose page a tab shows.

    Raises:
        NotFound: It is none.
    """
    text = route_argument(state, "org_id")
    try:
        org_id = UUID(text)
    except (ValueError, TypeError, AttributeError):
        raise NotFound from None
    if str(org_id) != text:
        raise NotFound
    return org_id


class MembersState(rx.State):
    """A page of the members, the first ones first."""

    items: rx.Field[list[MemberItem]] = rx.field(default_factory=list)
    total: rx.Field[int] = rx.field(0)
    text: rx.Field[str] = rx.field("")
    number: rx.Field[int] = rx.field(0)
    has_more: rx.Field[bool] = rx.field(False)
    # where this page and those before it begin, and the next one
    _begins: tuple[MemberCursor | None, ...] = (None,)
    _next: MemberCursor | None = None

    @rx.event
    async def find(self, text: str):
        """Search."""
        self.text, self._begins = text, (None,)
        await self._again()

    @rx.event
    async def next_page(self):
        """Show the next page of the list."""
        if self._next is not None:
            self._begins = (*self._begins, self._next)
            await self._again()

    @rx.event
    async def previous_page(self):
        """Show the page before this one."""
        self._begins = self._begins[:-1] or (None,)
        await self._again()

    async def _again(self) -> None:
        page = await self.get_state(OrganisationPageState)
        try:
            if not page.organisation.id:
                raise NotFound
            await show_members(self, current_principal(), page.organisation)
        except NotFound:
            await blank(self)
            page.missing = page.loaded = True


async def show_members(
    state: MembersState, principal: Principal, organisation: OrganisationPageItem
) -> None:
    """Read the page of the members that is open.

    Args:
        state: The state of the tab.
        principal: The user.
        organisation: Whose members.

    Raises:
        NotFound: The user does not belong to it.
    """
    find, org_id = services().members.find, UUID(organisation.id)
    page = await find(principal, org_id, state.text, state._begins[-1])
    while not page.members and len(state._begins) > 1:  # all of them have gone
        state._begins = state._begins[:-1]
        page = await find(principal, org_id, state.text, state._begins[-1])
    own = checked_role(organisation.role)
    state.items = [member_item(one, own) for one in page.members]
    state.total, state._next, state.has_more = page.total, page.after, page.after is not None
    state.number = len(state._begins) - 1


class OrganisationAuditState(AuditLogState, rx.State):
    """The audit log of the organisation in the URL, for its admins."""

    _organisation: str = ""

    async def _read(self, principal: Principal) -> None:
        organisation = (await self.get_state(OrganisationPageState)).organisation
        if self._organisation != organisation.id:
            self.reset()
            self._organisation = organisation.id
        if organisation.is_admin:
            await super()._read(principal)

    async def _find(
        self, principal: Principal, before: int | None
    ) -> tuple[AuditPage, Container[str] | None]:
        if not self._organisation:
            raise NotFound
        found = await services().organisation_audit.find(
            principal, UUID(self._organisation), **self._typed(), before=before
        )
        return found.page, found.members


_PAGES = OrganisationPageState, MembersState, OrganisationAuditState


async def blank(state: rx.State) -> None:
    """Empty what a tab has of an organisation.

    Args:
        state: Any state of the tab.
    """
    for kind in _PAGES:
        (await state.get_state(kind)).reset()


async def blank_if_changed(state: rx.State, principal: Principal | None) -> bool:
    """Empty what a tab has of an organisation in which its user has another role now, or none.

    Args:
        state: Any state of the tab.
        principal: Its user.

    Returns:
        Whether it was emptied.
    """
    request = await state.get_state(ReadingRequestState)
    is_form_empty = blank_request_if_demoted(request, principal)
    shown = (await state.get_state(OrganisationPageState)).organisation
    if not shown.id:
        return is_form_empty
    if principal is not None and principal.memberships.get(UUID(shown.id)) == shown.role:
        return is_form_empty
    await blank(state)
    return True
