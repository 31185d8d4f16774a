"""A column of the page that is a drawer over it where the window is narrow."""

import reflex as rx

from chat_app.components import script


class Drawer(rx.Component):
    """A column that is a modal dialog while it is open as a drawer: the focus stays in it.

    Args:
        children: Its content.
        id: Buttons with this `popoverTarget` open and close it.
        label: Its name, for screen readers.
    """

    library = script("ui/drawer")
    tag = "Drawer"

    label: rx.Var[str]


drawer = Drawer.create
