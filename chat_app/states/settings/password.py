"""Whether a person has a password. What it is, no state ever knows."""

import reflex as rx

from chat_app.services import services
from chat_app.states.identity import principal


class PasswordState(rx.State):
    """What the page about the password says."""

    is_set: rx.Field[bool] = rx.field(False)
    loaded: rx.Field[bool] = rx.field(False)

    @rx.event
    async def load(self):
        """Look whether there is one."""
        self.is_set = await services().password_change.is_set(principal())
        self.loaded = True
