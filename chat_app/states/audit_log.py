"""A page of an audit log, the newest row first, and what limits it."""

import json
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import reflex as rx

from chat_app.audit.actions import TITLES
from chat_app.audit.queries import AuditedUser, AuditPage
from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError
from chat_app.db.tables import AuditEvent
from chat_app.states import NoticeState, current_principal, notify
from chat_app.states.account import SettingsState

_ACTORS = {
    "system": "The system",
    "command line": "The command line",
    "anonymous": "Not signed in",
}
_IDS = ("session", "key", "passkey", "grant", "previous_key")
"""Details that mean nothing to people."""


@dataclass(frozen=True)
class AuditItem:
    """A row of the audit log.

    Args:
        id: Names it in the list.
        title: What happened.
        people: Who did it, and to whom.
        detail: When, from where, and what else is known.
    """

    id: int
    title: str
    people: str
    detail: str


class AuditLogState(SettingsState, NoticeState, mixin=True):
    """An audit log, as far as it was opened, and the filters as they were typed.

    A state derives from this and from `rx.State`, and says which log it is.
    """

    items: rx.Field[list[AuditItem]] = rx.field(default_factory=list)
    has_more: rx.Field[bool] = rx.field(False)
    action: rx.Field[str] = rx.field("")
    email: rx.Field[str] = rx.field("")
    since: rx.Field[str] = rx.field("")
    until: rx.Field[str] = rx.field("")
    _before: int | None = None

    @rx.event
    async def search(self, form: dict[str, Any]):
        """Show the rows that the form describes: none where there is a mistake in it."""
        self.action, self.email = form["action"], form["email"]
        self.since, self.until = form["since"], form["until"]
        await self.load()

    @rx.event
    async def more(self):
        """Show older rows below."""
        if self._before is None:
            return
        if (found := await self._items(current_principal(), self._before)) is not None:
            self.items = [*self.items, *found]

    async def _read(self, principal: Principal) -> None:
        # the rows are those of the filters, which stay as they were typed
        self.items, self.has_more, self._before = [], False, None
        self.items = await self._items(principal) or []

    async def _items(self, principal: Principal, before: int | None = None) -> Any:
        """The items of a page, or None after a mistake in the filters."""
        self.notice = ""
        try:
            found, members = await self._find(principal, before)
        except ChatError as error:
            notify(self, error.message)
            return None
        self._before, self.has_more = found.before, found.before is not None
        return [audit_item(event, found.people, members) for event in found.events]

    def _typed(self) -> dict[str, str]:
        return {
            "action": self.action,
            "email": self.email,
            "since": self.since,
            "until": self.until,
        }

    async def _find(
        self, principal: Principal, before: int | None
    ) -> tuple[AuditPage, Container[str] | None]:
        """A page of rows, and the members among its people; None for a log of everything."""
        raise NotImplementedError


def audit_item(
    event: AuditEvent, people: dict[str, AuditedUser], members: Container[str] | None = None
) -> AuditItem:
    """A row as people read it.

    Args:
        event: The row.
        people: The users behind the random ids.
        members: The random ids of an organisation's present and former members, whose audit log
            it is: what others do in it is without a name and a network. None for all users.
    """
    who = _ACTORS.get(event.actor) or _name(event.actor, people, members)
    whom = event.subject_kind
    if event.subject_kind == "user":
        whom = _name(event.subject, people, members)
    titles: dict[str, str] = {**TITLES}
    return AuditItem(
        id=event.id or 0,
        title=titles.get(event.action, event.action),
        people=who if event.subject in ("", event.actor) else f"{who} → {whom}",
        detail=" · ".join(
            filter(
                None,
                (
                    f"{event.at.day} {event.at:%B %Y, %H:%M:%S} UTC",
                    event.network if members is None or event.actor in members else "",
                    *_words(event.details),
                ),
            )
        ),
    )


def _name(
    identity: str, people: dict[str, AuditedUser], members: Container[str] | None = None
) -> str:
    if members is not None and identity not in members:
        return "Not a member"
    person = people.get(identity)
    if person is None:
        return "Deleted user"
    return f"{person.name} ({person.email})" if person.name else person.email


def _words(details: str) -> list[str]:
    found: dict[str, Any] = json.loads(details) if details else {}
    return [
        key.replace("_", " ") if value is True else f"{key.replace('_', ' ')}: {value}"
        for key, value in found.items()
        if key not in _IDS and value is not False
    ]
