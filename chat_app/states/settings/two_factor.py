"""A person's second factor."""

import reflex as rx

from chat_app.services import services
from chat_app.states.identity import principal


class TwoFactorState(rx.State):
    """Whether it is on, and what is left of it."""

    is_on: rx.Field[bool] = rx.field(False)
    codes_left: rx.Field[int] = rx.field(0)
    devices: rx.Field[int] = rx.field(0)
    loaded: rx.Field[bool] = rx.field(False)

    @rx.event
    async def load(self):
        """Read it."""
        factor = await services().second_factors.status(principal())
        self.is_on = factor.since is not None
        self.codes_left, self.devices = factor.codes_left, factor.devices
        self.loaded = True
