"""Where somebody goes on once they have proved again who they are."""

import reflex as rx

from chat_app.components.scripts import SCRIPTS


class _BackAddress(rx.Component):
    library = SCRIPTS["step_up"]
    tag = "BackAddress"


def back_address() -> rx.Component:
    """The field `callbackUrl`: the page that the address of this one names."""
    return _BackAddress.create()
