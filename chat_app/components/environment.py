"""What only the browser knows or can do: its time zone, its tab's title, its open drawer."""

from typing import Any

import reflex as rx

from chat_app.components.scripts import SCRIPTS


class _Environment(rx.Component):
    """A component without a picture."""

    library = SCRIPTS["environment"]
    tag = "Environment"

    title: rx.Var[str]
    product: rx.Var[str]
    on_zone: rx.EventHandler[rx.event.passthrough_event_spec(str)]


def environment(*, title: rx.Var[str], product: str, on_zone: Any) -> rx.Component:
    """Tell the server the time zone, and the browser the title.

    Args:
        title: The open thread's title, or nothing.
        product: What the tab is called besides.
        on_zone: Called once with a name such as `Europe/Berlin`.
    """
    return _Environment.create(title=title, product=product, on_zone=on_zone)
