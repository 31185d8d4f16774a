"""How a person can prove again who they are."""

import reflex as rx

from chat_app.services import services
from chat_app.states.identity import principal


class ConfirmState(rx.State):
    """The ways that this person has."""

    by_code: rx.Field[bool] = rx.field(False)
    by_password: rx.Field[bool] = rx.field(False)
    by_passkey: rx.Field[bool] = rx.field(False)
    loaded: rx.Field[bool] = rx.field(False)

    @rx.event
    async def load(self):
        """Read them."""
        ways = await services().step_up.ways(principal())
        self.by_code, self.by_password, self.by_passkey = ways.code, ways.password, ways.passkey
        self.loaded = True
