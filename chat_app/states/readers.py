"""What users are told of those who read their chats: in the chat, and in the settings."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from uuid import UUID

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.orgs.readers import GrantCursor, GrantView, Reader
from chat_app.services import services
from chat_app.states import current_principal
from chat_app.states.account import SettingsState
from chat_app.states.chat import ChatState
from chat_app.states.thread_list import ThreadListState, zone_of


@dataclass(frozen=True)
class ReaderItem:
    """Who read the open chat.

    Args:
        id: Names the row.
        text: Who read it, and when.
        reason: As the reader typed it.
    """

    id: str
    text: str
    reason: str


class ReadersState(ChatState):
    """Who read the open chat, the last one first.

    A state of its own, which is emptied with the chat: the rows of the chat are not rendered again
    when it changes.
    """

    readers: rx.Field[list[ReaderItem]] = rx.field(default_factory=list)


async def show_readers(readers: ReadersState, principal: Principal) -> None:
    """Read who read the open chat, and show it."""
    items: list[ReaderItem] = []
    if readers.thread and not readers.missing:
        zone = zone_of(await readers.get_state(ThreadListState))
        found = await services().readers.of_thread(principal, UUID(readers.thread))
        items = [
            ReaderItem(
                f"{number}",
                f"{who(one.reader)}, read this chat on {moment(one.last_read_at, zone)}.",
                one.reader.reason,
            )
            for number, one in enumerate(found)
        ]
    if items != readers.readers:
        readers.readers = items


@dataclass(frozen=True)
class OpenedChatItem:
    """A chat that was read.

    Args:
        url: Opens it; empty if it is not there any more.
    """

    id: str
    title: str
    url: str
    at: str


@dataclass(frozen=True)
class PastReadingItem:
    """A grant to read the user's chats.

    Args:
        who: Who asked for it, and in which organisation.
        time: From when to when.
        reason: As the reader typed it.
        listed: That the list of the chats was shown, and when; empty if it was not.
        chats: Those that were opened, the first ones.
        count: How many were opened.
        more: How many more there are than `chats`; empty if none.
    """

    id: str
    who: str
    time: str
    reason: str
    is_open: bool
    listed: str
    chats: list[OpenedChatItem]
    count: int
    more: str


class PastReadingsState(SettingsState, rx.State):
    """Who was let read the user's chats, the newest first.

    Attributes:
        is_off: Whether the installation lets no one read now.
    """

    is_off: rx.Field[bool] = rx.field(False)
    items: rx.Field[list[PastReadingItem]] = rx.field(default_factory=list)
    has_more: rx.Field[bool] = rx.field(False)
    _before: GrantCursor | None = None

    async def _read(self, principal: Principal) -> None:
        self.is_off = not services().settings.admin_reading
        self.items, self._before = [], None
        await self._add(principal)

    @rx.event
    async def more(self):
        """Show older ones below."""
        if self._before is not None:
            await self._add(current_principal())

    async def _add(self, principal: Principal) -> None:
        zone = zone_of(await self.get_state(ThreadListState))
        page = await services().readers.of_owner(principal, before=self._before)
        items = [past_reading_item(one, zone) for one in page.grants]
        self.items, self._before = [*self.items, *items], page.before
        self.has_more = page.before is not None


def past_reading_item(grant: GrantView, zone: tzinfo) -> PastReadingItem:
    """A grant as its subject sees it."""
    begin, end = moment(grant.created_at, zone), moment(grant.ends_at, zone)
    return PastReadingItem(
        id=str(grant.id),
        who=who(grant.reader),
        time=f"From {begin} until {end}",
        reason=grant.reader.reason,
        is_open=grant.is_open,
        listed="" if grant.listed_at is None else f"{_LISTED} {moment(grant.listed_at, zone)}.",
        count=grant.count,
        more=f"and {rest} more" if (rest := grant.count - len(grant.threads)) else "",
        chats=[
            OpenedChatItem(
                id=str(chat.thread_id),
                title="A chat that you don't have any more"
                if chat.title is None
                else chat.title or "New chat",
                url="" if chat.title is None else f"/c/{chat.thread_id}",
                at=moment(chat.last_read_at, zone),
            )
            for chat in grant.threads
        ],
    )


_LISTED = "The list of your chats' titles was shown on"


def who(reader: Reader) -> str:
    """A reader, with what they were: `Grace Hopper (grace@example.org), an admin of Acme`."""
    name = f"{reader.name} ({reader.email})" if reader.name else reader.email
    organisation = reader.organisation or "an organisation that was deleted"
    article = "an owner" if reader.role == "owner" else "an admin"
    return f"{name}, {article} of {organisation}"


def moment(at: datetime, zone: tzinfo) -> str:
    """A time as its reader's clock shows it: `29 Nov 2026, 14:05`."""
    here = at.astimezone(zone)
    suffix = " UTC" if here.utcoffset() == at.astimezone(UTC).utcoffset() else ""
    return f"{here.day} {here:%b %Y, %H:%M}{suffix}"
