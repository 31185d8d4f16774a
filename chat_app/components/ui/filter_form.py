"""A form whose fields limit a list."""

import reflex as rx

from chat_app.components import script


class FilterForm(rx.Component):
    """A form that sends its fields to a state, and nothing to a route.

    Args:
        children: The fields and the button.
        on_filter: Called with the fields: names, and what was typed.
    """

    library = script("ui/filter_form")
    tag = "FilterForm"

    on_filter: rx.EventHandler[rx.event.passthrough_event_spec(dict[str, str])]


filter_form = FilterForm.create
