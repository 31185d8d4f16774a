"""What a page shows that was opened under an origin which the server does not answer."""

import reflex as rx

from chat_app.components import script


class OwnOrigin(rx.Component):
    """Its children under one of our origins; under another one, what to open.

    Args:
        children: The page.
        origins: Ours, the one to open first.
    """

    library = script("ui/own_origin")
    tag = "OwnOrigin"

    origins: rx.Var[list[str]]


own_origin = OwnOrigin.create
