"""The current organisation of a tab, and moving a chat to another one.

Each tab has its own. It begins with the one that the user has chosen last, on any device, and
follows the open chat: that is always in it.
"""

import contextlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError, DatabaseError, NotFound
from chat_app.core.signals import Signal, user_topic
from chat_app.db.tables import PRIVATE
from chat_app.orgs.organisations import OrganisationView
from chat_app.reflex_ext.events import state_key
from chat_app.services import services
from chat_app.states import NoticeState, current_principal, notify
from chat_app.states.chat import ChatState, offer_models, start_new_chat
from chat_app.states.search import SearchState
from chat_app.states.thread_list import (
    UNDO_TIME,
    ThreadListState,
    blank,
    current_organisation,
    listed_title,
    refresh,
)
from chat_app.states.views import OrganisationItem


class CurrentOrganisationState(NoticeState, rx.State):
    """The organisations of the user, and the current one of the tab.

    Attributes:
        choices: Personal, then the organisations by name; none if the user belongs to none.
        name: That of the current one; empty for Personal.
        moving: The id of the thread that the dialog is about; empty while there is none.
        moving_title: Its title.
        move_problem: Why it could not be moved.
        moved: The id of the thread that was moved last, while that can be undone.
        moved_title: Its title.
        moved_to: The name of the organisation that it is in now.
    """

    choices: rx.Field[list[OrganisationItem]] = rx.field(default_factory=list)
    name: rx.Field[str] = rx.field("")
    moving: rx.Field[str] = rx.field("")
    moving_title: rx.Field[str] = rx.field("")
    move_problem: rx.Field[str] = rx.field("")
    moved: rx.Field[str] = rx.field("")
    moved_title: rx.Field[str] = rx.field("")
    moved_to: rx.Field[str] = rx.field("")

    _is_known: bool = False
    _moved_from: UUID = PRIVATE
    _moved_at: datetime | None = None

    @rx.event
    async def dismiss(self):
        """Close the notice."""
        self.notice = ""
        if self._is_known:
            threads = await self.get_state(ThreadListState)
            _remember(self, current_principal(), current_organisation(threads))

    @rx.event(supersedes=True)
    async def switch(self, org_id: str):
        """Make an organisation the current one of this tab, and of those that are opened next.

        The page goes blank first. An open chat is left, for a new one.

        Args:
            org_id: The organisation; empty for Personal.
        """
        principal, wanted = current_principal(), _id_of(org_id)
        threads = await self.get_state(ThreadListState)
        self.notice = ""
        if wanted != current_organisation(threads):
            chat = await self.get_state(ChatState)
            leaves = bool(chat.thread) or chat.missing
            await _enter(self, principal, wanted)
            if leaves:
                start_new_chat(chat)
                yield rx.redirect("/")
            else:
                yield
        try:
            await services().organisations.choose(principal, wanted)
        except NotFound:
            pass  # the user has left it: this is said, and Personal is shown
        except ChatError as error:
            notify(self, error.message)
        try:
            await load_organisations(self, principal)
            await refresh(threads, principal)
            await offer_models(await self.get_state(ChatState), principal)
        except DatabaseError:  # the tab's `Feed.watch` hears this, and reads it until it can
            services().bus.publish(user_topic(principal.user_id), Signal("user"))

    @rx.event
    async def begin_move(self, thread_id: str):
        """Ask where to move a thread of the list, and who could read it there by now."""
        await _read_choices(self, current_principal())
        threads = await self.get_state(ThreadListState)
        title = listed_title(threads, thread_id)
        if title is not None:
            self.moving, self.moving_title, self.move_problem = thread_id, title, ""

    @rx.event
    async def cancel_move(self):
        """Leave the thread where it is."""
        self.moving = self.moving_title = self.move_problem = ""

    @rx.event
    async def move(self, thread_id: str, org_id: str):
        """Move a thread; the notice that appears can undo it.

        Args:
            thread_id: The thread.
            org_id: The organisation; empty for Personal.
        """
        self.move_problem = ""
        yield  # else a second refusal like the first would not reach the page
        principal, wanted = current_principal(), _id_of(org_id)
        live = services()
        try:
            before = await live.threads.get(principal, UUID(thread_id))
            await live.threads.move(principal, before.id, wanted)
        except ChatError as error:
            is_gone = isinstance(error, NotFound)
            self.move_problem = _NOT_MOVED if is_gone else error.message
            return
        self.moving = self.moving_title = ""
        if before.org_id == wanted:
            return
        self.moved, self.moved_title, self._moved_from = thread_id, before.title, before.org_id
        self.moved_to = next((one.name for one in self.choices if one.id == org_id), "")
        self._moved_at = live.clock()

    @rx.event
    async def undo_move(self):
        """Move the thread back."""
        thread_id, self.moved = self.moved, ""
        if thread_id:
            move = services().threads.move(current_principal(), UUID(thread_id), self._moved_from)
            try:
                await move
            except ChatError as error:
                is_gone = isinstance(error, NotFound)
                notify(self, _NOT_MOVED if is_gone else error.message)

    @rx.event
    async def dismiss_move(self):
        """Close the notice of a move."""
        self.moved = ""


@dataclass(frozen=True, slots=True)
class _RememberedTab:
    """What a tab shows: its current organisation, the name of that, and the notice."""

    org_id: UUID
    name: str
    notice: str


_TABS = 10_000
_remembered: OrderedDict[tuple[UUID, str], _RememberedTab] = OrderedDict()
"""What each tab shows, by its session and state key.

The state of a tab is dropped soon after its socket has closed. One that comes back later than that
stays in its organisation, or is told that its user no longer belongs to it.
"""

_NOT_MOVED = "This chat can't be moved there: you no longer have it, or left the organisation."


async def load_organisations(
    state: CurrentOrganisationState,
    principal: Principal,
    thread: str = "",
    joined: str = "",
) -> None:
    """Read the organisations of the user, and enter the one that the tab is to show.

    It is that of the open thread; else one that the user has just joined in this tab; else the one
    that the tab has, if the user still belongs to it; else, in a new tab, the one that the user has
    chosen last. Who belongs to none costs no query.

    Args:
        state: The state of the tab.
        principal: The user.
        thread: The id of the open thread; empty for none.
        joined: The id of the organisation that the tab was sent to, as its URL says; empty for
            none. Other tabs stay where they are: what is being written there is for the
            organisation that they show.
    """
    live = services()
    threads = await state.get_state(ThreadListState)
    if state._moved_at and live.clock() - state._moved_at >= UNDO_TIME:
        state.moved, state._moved_at = "", None
    found = await _read_choices(state, principal)
    current, name = current_organisation(threads), state.name
    before = _remembered.get((principal.credential_id, state_key()))
    is_known = state._is_known or before is not None
    if before is not None and not state._is_known:
        current, name, state.notice = before.org_id, before.name, before.notice
    entered = next((one.id for one in found if str(one.id) == joined), None)
    if entered is not None:
        current = entered
    elif not is_known:
        current = next((one.id for one in found if one.is_chosen), PRIVATE)
    elif current not in (PRIVATE, *(one.id for one in found)):
        notify(state, f"You no longer belong to {name or 'this organisation'}.")
        current = PRIVATE
    is_listed = listed_title(threads, thread) is not None
    if thread and found and not is_listed:
        with contextlib.suppress(NotFound):
            current = (await live.threads.get(principal, UUID(thread))).org_id
    state._is_known = True
    await _enter(state, principal, current)


async def _read_choices(
    state: CurrentOrganisationState, principal: Principal
) -> list[OrganisationView]:
    """Read the organisations of the user, and offer them."""
    found = await services().organisations.of(principal) if principal.memberships else []
    # the list of threads goes by the memberships of the principal
    found = [one for one in found if one.id in principal.memberships]
    choices = [OrganisationItem(), *map(_item, found)] if found else []
    if choices != state.choices:
        state.choices = choices
    return found


async def follow_thread(
    state: CurrentOrganisationState, principal: Principal, org_id: UUID
) -> None:
    """Enter the organisation of the open thread, if it has been moved."""
    threads = await state.get_state(ThreadListState)
    if org_id != current_organisation(threads):
        await _enter(state, principal, org_id)
        await refresh(threads, principal)


async def _enter(state: CurrentOrganisationState, principal: Principal, org_id: UUID) -> None:
    """Make an organisation the current one; nothing of another one stays in the sidebar."""
    threads = await state.get_state(ThreadListState)
    if org_id != current_organisation(threads):
        blank(threads, org_id)
        (await state.get_state(SearchState)).reset()
    names = {one.id: one.name for one in state.choices}
    name = names.get(str(org_id), "")
    if name != state.name:
        state.name = name
    _remember(state, principal, org_id)


def _remember(state: CurrentOrganisationState, principal: Principal, org_id: UUID) -> None:
    key = principal.credential_id, state_key()
    _remembered[key] = _RememberedTab(org_id, state.name, state.notice)
    _remembered.move_to_end(key)
    if len(_remembered) > _TABS:
        _remembered.popitem(last=False)


def _item(one: OrganisationView) -> OrganisationItem:
    is_off = not services().settings.admin_reading
    can_read = one.allows_admin_reading and not is_off
    return OrganisationItem(str(one.id), one.name, can_read, is_off)


def _id_of(text: str) -> UUID:
    return UUID(text) if text else PRIVATE
