"""What the users of the installation have used models for."""

from collections.abc import Sequence

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.db.tables import NO_USER, PRIVATE
from chat_app.services import services
from chat_app.states.admin import AdminState, PagedState
from chat_app.states.usage import UsageFigures, UsageItem, day_text, usage_item
from chat_app.usage.queries import UsageRow, site_usage, site_users


class AdminUsageState(UsageFigures, PagedState, AdminState, rx.State):
    """The numbers of all users, and of those who have used most.

    Attributes:
        counted_since: The first day that was counted; empty while nothing was.
    """

    counted_since: rx.Field[str] = rx.field("")
    organisations: rx.Field[list[UsageItem]] = rx.field(default_factory=list)
    users: rx.Field[list[UsageItem]] = rx.field(default_factory=list)

    async def _read(self, principal: Principal) -> None:
        period = self._period()
        found = await site_usage(services().db, period)
        self._show(period, found.total, found.by)
        since = found.counted_since
        self.counted_since = day_text(since) if since else ""
        self.organisations = _named(
            found.organisations, {str(PRIVATE): "Personal"}, "Deleted organisation"
        )
        self.number = 0
        await self._read_page(principal)

    async def _read_page(self, principal: Principal) -> None:
        rows, self.has_more = await site_users(services().db, self._period(), self.number)
        self.users = _named(rows, {str(NO_USER): "Deleted accounts"}, "Deleted account")


def _named(rows: Sequence[UsageRow], known: dict[str, str], otherwise: str) -> list[UsageItem]:
    """Rows with what people read for each; one whose name is gone is shown without it."""
    return [usage_item(row, row.name or known.get(row.key, otherwise)) for row in rows]
