"""The overview of the installation: how many there are of what."""

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.services import services
from chat_app.states.admin import AdminState


class OverviewState(AdminState, rx.State):
    """Counts of users."""

    users: rx.Field[int] = rx.field(0)
    disabled: rx.Field[int] = rx.field(0)
    admins: rx.Field[int] = rx.field(0)
    seen_today: rx.Field[int] = rx.field(0)

    async def _read(self, principal: Principal) -> None:
        counts = await services().administration.counts()
        self.users, self.disabled = counts.users, counts.disabled
        self.admins, self.seen_today = counts.admins, counts.seen_today
