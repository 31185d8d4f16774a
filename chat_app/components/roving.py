"""A long list that is one stop on the way of the Tab key."""

import reflex as rx

from chat_app.components.scripts import SCRIPTS


class _RovingList(rx.Component):
    """A `ul` whose arrow keys go from row to row."""

    library = SCRIPTS["roving"]
    tag = "RovingList"


def roving_list(*rows: rx.Component) -> rx.Component:
    """The list.

    Args:
        rows: Each is an `li` with a link, and perhaps buttons.
    """
    return _RovingList.create(*rows)
