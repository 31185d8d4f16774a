"""The audit log: a page of what was done, the newest first, and what limits it."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import reflex as rx

from chat_app.audit.actions import TITLES
from chat_app.audit.queries import AuditedUser, AuditPage, Filters, page, typed_filters
from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError
from chat_app.db.tables import AuditEvent
from chat_app.services import services
from chat_app.states.admin import AdminState

_ACTORS = {
    "system": "The system",
    "command line": "The command line",
    "anonymous": "Not signed in",
}
_IDS = ("session", "key", "passkey", "previous_key")
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


class AuditState(AdminState, rx.State):
    """The audit log, as far as it was opened."""

    items: rx.Field[list[AuditItem]] = rx.field(default_factory=list)
    has_more: rx.Field[bool] = rx.field(False)
    action: rx.Field[str] = rx.field("")
    email: rx.Field[str] = rx.field("")
    since: rx.Field[str] = rx.field("")
    until: rx.Field[str] = rx.field("")
    _before: int | None = None

    @rx.var(initial_value="")
    def export_query(self) -> str:
        """The filters as the query of a URL."""
        return urlencode(self._typed())

    @rx.event
    async def search(self, form: dict[str, Any]):
        """Show the rows that the form describes; a mistake in it changes nothing else."""
        self.action, self.email = form["action"], form["email"]
        self.since, self.until = form["since"], form["until"]
        await self.load()

    @rx.event
    async def more(self):
        """Show older rows below."""
        if (filters := await self._filters()) is not None and self._before is not None:
            found = await page(services().db, filters, before=self._before)
            self.items = [*self.items, *self._take(found)]

    async def _read(self, principal: Principal) -> None:
        if (filters := await self._filters()) is not None:
            self.items = self._take(await page(services().db, filters))

    async def _filters(self) -> Filters | None:
        self.notice = ""
        try:
            return await typed_filters(services().db, **self._typed())
        except ChatError as error:
            self.notice = error.message
            return None

    def _typed(self) -> dict[str, str]:
        return {
            "action": self.action,
            "email": self.email,
            "since": self.since,
            "until": self.until,
        }

    def _take(self, found: AuditPage) -> list[AuditItem]:
        self._before, self.has_more = found.before, found.before is not None
        return [audit_item(event, found.people) for event in found.events]


def audit_item(event: AuditEvent, people: dict[str, AuditedUser]) -> AuditItem:
    """A row as people read it.

    Args:
        event: The row.
        people: The users behind the random ids.
    """
    who = _ACTORS.get(event.actor) or _name(event.actor, people)
    whom = _name(event.subject, people) if event.subject_kind == "user" else event.subject_kind
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
                    event.network,
                    *_words(event.details),
                ),
            )
        ),
    )


def _name(identity: str, people: dict[str, AuditedUser]) -> str:
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
