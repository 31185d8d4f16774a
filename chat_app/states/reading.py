"""The page on which an admin of an organisation reads a member's chats, and the form before it.

Each event asks anew whether the grant is open. What the page shows is taken away as soon as it is
not: by a signal, by the time, or with the socket.
"""

import asyncio
import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import reflex as rx

from chat_app.auth.errors import StepUpRequired
from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError, DatabaseError, InvalidInput, NotFound
from chat_app.core.signals import reading_topic
from chat_app.orgs.reading import MINUTES, READERS, GrantInUse, Person
from chat_app.reflex_ext.events import route_argument, state_key, var_emitter
from chat_app.reflex_ext.tabs import while_open
from chat_app.services import services
from chat_app.states import NoticeState, current_principal, notify, to_step_up
from chat_app.states.account import SettingsState
from chat_app.states.chunks import Chunk, stored_chunks
from chat_app.states.views import MessageItem, message_of_route, stored, thread_of_route
from chat_app.threads.reading import GrantedThread, GrantedThreadPage
from chat_app.threads.views import ThreadSummary

CHECK_SECONDS = 15.0
"""How often an open page asks whether its grant is open, in case a signal was lost."""
RETRY_SECONDS = 1.0
"""How long a page waits before it asks again a database that could not answer."""
PATH = "/reading"


@dataclass(frozen=True)
class ReadThreadItem:
    """A chat of the list.

    Args:
        id: Names it in the list.
        url: Opens it.
        day: When something was last added to it.
    """

    id: str
    title: str
    url: str
    day: str
    archived: bool


class ReadingState(NoticeState, rx.State):
    """What is read by the grant in the URL: the list of chats, or one of them.

    Attributes:
        phase: `loading`, `open`, `over` where there is no open grant, or `off` where the
            installation lets no one read.
        left: How long the grant lasts.
        older: The URL of the next page of the list; empty at its end.
        is_first: Whether it is the first page of the list, or the end of the chat.
        thread: The chat that is shown; empty for the list.
        earlier: The URL of the messages above; empty where there are none.
        running: Whether an answer is being written in the chat.
        missing: Whether the URL names a chat that cannot be read.
        f: Chunks of reasoning that was opened; see `states.feed`.
    """

    phase: rx.Field[str] = rx.field("loading")
    grant: rx.Field[str] = rx.field("")
    subject: rx.Field[str] = rx.field("")
    email: rx.Field[str] = rx.field("")
    org_id: rx.Field[str] = rx.field("")
    organisation: rx.Field[str] = rx.field("")
    reason: rx.Field[str] = rx.field("")
    left: rx.Field[str] = rx.field("")
    threads: rx.Field[list[ReadThreadItem]] = rx.field(default_factory=list)
    older: rx.Field[str] = rx.field("")
    is_first: rx.Field[bool] = rx.field(True)
    thread: rx.Field[str] = rx.field("")
    title: rx.Field[str] = rx.field("")
    messages: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    earlier: rx.Field[str] = rx.field("")
    running: rx.Field[bool] = rx.field(False)
    missing: rx.Field[bool] = rx.field(False)
    f: rx.Field[list[Any]] = rx.field(default_factory=list)

    @rx.event(supersedes=True)
    async def open(self):
        """Show what the URL names: a page of the list, or messages of a chat; then watch the grant.

        Nothing of what was shown before is kept meanwhile.
        """
        principal = current_principal()
        self.reset()
        yield
        grant = message_of_route(route_argument(self, "grant_id"))
        if not grant:
            over(self)
            return
        try:
            await self._load(principal, UUID(grant))
        except NotFound:
            over(self)
            return
        except ChatError as error:
            notify(self, error.message)
        self.grant = grant
        yield ReadingState.watch

    async def _load(self, principal: Principal, grant: UUID) -> None:
        """Read what the URL names.

        Raises:
            NotFound: The grant is not open.
        """
        live, thread = services(), thread_of_route(route_argument(self, "chat"))
        try:
            if thread:
                before = message_of_route(route_argument(self, "before"))
                found = await live.granted_threads.window(
                    *(principal, grant, UUID(thread)), before=UUID(before) if before else None
                )
                self._show_chat(found, is_end=not before)
            else:
                after = route_argument(self, "after")
                if thread is None or (after and not isinstance(after, str)):
                    raise NotFound
                listed = await live.granted_threads.page(principal, grant, after=after or None)
                self._show_list(listed, is_first=not after)
        except (NotFound, InvalidInput):
            # the grant is open, and the chat is none that it lets read
            self._show_grant(await live.reading_grants.open(principal, grant))
            self.missing = True

    def _show_grant(self, grant: GrantInUse) -> None:
        self.phase, self.reason = "open", grant.reason
        self.subject, self.email = grant.subject.name, grant.subject.email
        self.org_id, self.organisation = str(grant.open_grant.org_id), grant.organisation
        self.left = time_left(grant.until, services().clock())

    def _show_list(self, found: GrantedThreadPage, *, is_first: bool) -> None:
        self._show_grant(found.grant)
        path = f"{PATH}/{found.grant.open_grant.id}"
        self.threads = [read_thread_item(path, thread) for thread in found.threads]
        self.older = f"{path}?{urlencode({'after': found.next})}" if found.next else ""
        self.is_first = is_first

    def _show_chat(self, found: GrantedThread, *, is_end: bool) -> None:
        self._show_grant(found.grant)
        thread, first = str(found.thread.id), found.messages[:1]
        self.thread, self.title = thread, found.thread.title
        self.messages = [stored(message) for message in found.messages]
        self.running, self.is_first = found.is_running, is_end
        if found.has_older and first:
            query = urlencode({"chat": thread, "before": str(first[0].id)})
            self.earlier = f"{PATH}/{found.grant.open_grant.id}?{query}"

    @rx.event(background=True, supersedes=True)
    async def watch(self):
        """Take away what is shown when the grant is over; ends with the socket."""
        async with self:
            grant = self.grant
        if grant:
            await while_open(state_key(), self._watch(current_principal(), UUID(grant)))

    async def _watch(self, principal: Principal, grant: UUID) -> None:
        bus = services().bus
        while True:
            with bus.subscribe(reading_topic(grant)) as signals:
                seconds = await self._check(principal, grant)
                if seconds is None:
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await anext(signals)

    async def _check(self, principal: Principal, grant: UUID) -> float | None:
        """Look at the grant, and blank the page if it is over.

        Returns:
            After how many seconds to look again; None when it is over.
        """
        try:
            in_use = await services().reading_grants.open(principal, grant)
            async with self:
                # it could not be read when the page was opened
                if self.phase == "loading" and self.grant == str(grant):
                    await self._load(principal, grant)
                    self.notice = ""
        except NotFound:
            async with self:
                over(await self.get_state(ReadingState))
            return None
        except DatabaseError:
            return RETRY_SECONDS
        now = services().clock()
        left = time_left(in_use.until, now)
        async with self:
            if self.left != left:
                self.left = left
        return min(CHECK_SECONDS, max(0.0, (in_use.until - now).total_seconds()))

    @rx.event
    async def resync(self, stream_id: str, part: int, have: int):
        """Send the text of reasoning that was opened; the arguments are those of `Feed.resync`."""
        shown = next((one for one in self.messages if one.stream_id == stream_id), None)
        if shown is None or not self.grant:
            return
        ids = UUID(self.grant), UUID(self.thread), UUID(shown.id)
        try:
            message = await services().granted_threads.message(current_principal(), *ids)
        except NotFound:
            return  # the page is blanked, if the grant is over
        await _send(
            stored_chunks(
                *(stream_id, message.parts, message.status, part),
                reason=message.finish_reason,
                error=message.error,
            )
        )

    @rx.event
    async def end(self):
        """End the grant. The page is blank then, also in other tabs."""
        if self.grant:
            await services().reading_grants.end(current_principal(), UUID(self.grant))
        over(self)


def over(state: ReadingState) -> None:
    """Forget everything that was read: the grant is over, there is none, or no one may read."""
    state.reset()
    state.phase = "over" if services().settings.admin_reading else "off"


async def _send(chunks: Sequence[Chunk]) -> None:
    if chunks:
        await _emit(chunks[0] if len(chunks) == 1 else list(chunks))


_emit = var_emitter(ReadingState, "f")


def read_thread_item(path: str, thread: ThreadSummary) -> ReadThreadItem:
    """A chat of the list.

    Args:
        path: That of the page.
        thread: The chat.
    """
    at = thread.updated_at
    return ReadThreadItem(
        id=str(thread.id),
        title=thread.title or "New chat",
        url=f"{path}?chat={thread.id}",
        day=f"{at.day} {at:%B %Y}",
        archived=thread.is_archived,
    )


def time_left(until: datetime, now: datetime) -> str:
    """How long a grant lasts, rounded up to minutes."""
    minutes = max(1, math.ceil((until - now).total_seconds() / 60))
    hours, rest = divmod(minutes, 60)
    words = [f"{hours} h"] if hours else []
    words += [f"{rest} min"] if rest or not hours else []
    return f"{' '.join(words)} left, until {until:%H:%M} UTC"


@dataclass(frozen=True)
class SubjectItem:
    """A user whose chats can be read."""

    id: str
    label: str


@dataclass(frozen=True)
class MinutesItem:
    """How long a grant can last."""

    minutes: str
    label: str


class ReadingRequestState(SettingsState, NoticeState, rx.State):
    """The form that asks to read a member's chats in the organisation of the URL.

    Attributes:
        chosen: The member that the URL names, who is chosen at first.
        refused: Why the user cannot ask here; empty if they can.
    """

    org_id: rx.Field[str] = rx.field("")
    organisation: rx.Field[str] = rx.field("")
    members: rx.Field[list[SubjectItem]] = rx.field(default_factory=list)
    former: rx.Field[list[SubjectItem]] = rx.field(default_factory=list)
    chosen: rx.Field[str] = rx.field("")
    refused: rx.Field[str] = rx.field("")

    @rx.event
    async def load(self):
        """Read what the page shows; who could ask, and must authenticate again, is sent there."""
        try:
            await self._read(current_principal())
        except StepUpRequired:
            yield to_step_up(self)
        else:
            self.loaded = True

    async def _read(self, principal: Principal) -> None:
        self.reset()
        org_id = message_of_route(route_argument(self, "org_id"))
        try:
            if not org_id:
                raise NotFound
            found = await services().reading_grants.subjects(principal, UUID(org_id))
        except NotFound:
            self.refused = "There is no such organisation, or you don't belong to it."
            return
        except StepUpRequired:
            raise
        except ChatError as error:
            self.refused = error.message
            return
        self.organisation, self.org_id = found.organisation, org_id
        self.members = [_subject_item(one) for one in found.members]
        self.former = [_subject_item(one) for one in found.former]
        self.chosen = message_of_route(route_argument(self, "member"))

    @rx.event
    async def ask(self, form: dict[str, str]):
        """Begin to read, and open the page; what is refused becomes the notice."""
        self.notice = ""
        org_id = message_of_route(route_argument(self, "org_id"))
        try:
            if not org_id:
                raise NotFound
            if not form["member"]:
                raise InvalidInput("Choose whose chats you need to read.")
            grant = await services().reading_grants.ask(
                *(current_principal(), UUID(org_id), UUID(form["member"])),
                reason=form["reason"],
                minutes=int(form["minutes"]),
            )
        except NotFound:
            notify(self, "This user has no chats in the organisation any more.")
        except ChatError as error:
            notify(self, error.message)
        else:
            yield rx.redirect(f"{PATH}/{grant}")


def blank_request_if_demoted(state: ReadingRequestState, principal: Principal | None) -> bool:
    """Empty the form of a user who is no admin of the organisation any more.

    Args:
        state: The state of the form.
        principal: The user.

    Returns:
        Whether it was emptied.
    """
    if not state.org_id:
        return False
    if principal is not None and principal.memberships.get(UUID(state.org_id)) in READERS:
        return False
    state.reset()
    state.loaded, state.refused = True, "You can't read members' chats in this organisation."
    return True


def _subject_item(person: Person) -> SubjectItem:
    is_named = person.name != person.email
    return SubjectItem(
        str(person.user_id), f"{person.name} ({person.email})" if is_named else person.email
    )


MINUTES_OFFERED = [MinutesItem(str(minutes), label) for minutes, label in MINUTES.items()]
"""The times of the form."""
