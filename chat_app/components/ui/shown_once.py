"""A secret that is shown once."""

import reflex as rx

from chat_app.components import script


class ShownOnce(rx.Component):
    """A secret with a button that copies it. Its heading has the focus when it appears.

    Args:
        title: The heading.
        lead: What to do with it.
        value: The secret.
        on_done: The event that takes it away.
    """

    library = script("ui/shown_once")
    tag = "ShownOnce"

    title: rx.Var[str]
    lead: rx.Var[str]
    value: rx.Var[str]
    on_done: rx.EventHandler[rx.event.no_args_event_spec]


shown_once = ShownOnce.create
