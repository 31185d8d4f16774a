"""The sidebar: a drawer on narrow screens; on wide ones its buttons and how it stays closed."""

import reflex as rx

from chat_app.components import script
from chat_app.components.ui.icons import icon

_KEEP_CLOSED = """
try {
  if (localStorage.getItem("chat-sidebar") === "closed")
    document.documentElement.dataset.sidebar = "closed";
} catch {}
"""


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


class SidebarButton(rx.Component):
    """A button that closes the sidebar, or opens it.

    Args:
        children: The icon.
        sidebar: The id of the sidebar.
        label: What the button does.
        opens: Whether it opens the sidebar.
    """

    library = script("ui/sidebar")
    tag = "SidebarButton"

    sidebar: rx.Var[str]
    label: rx.Var[str]
    opens: rx.Var[bool]


class SidebarShortcut(rx.Component):
    """Ctrl+B (⌘B) closes and opens the sidebar; screen readers hear which.

    Args:
        sidebar: The id of the sidebar.
    """

    library = script("ui/sidebar")
    tag = "SidebarShortcut"

    sidebar: rx.Var[str]


sidebar_shortcut = SidebarShortcut.create


def close_sidebar(sidebar: str) -> rx.Component:
    """The button in the sidebar."""
    return SidebarButton.create(
        icon("sidebar"), sidebar=sidebar, label="Close sidebar", class_name="icon-button only-wide"
    )


def open_sidebar(sidebar: str) -> rx.Component:
    """The button on the page, seen while the sidebar is closed."""
    return SidebarButton.create(
        icon("sidebar"),
        sidebar=sidebar,
        label="Open sidebar",
        opens=True,
        class_name="icon-button only-closed",
    )


def keep_sidebar_closed() -> rx.Component:
    """A script for the head: a sidebar that was closed is not drawn first and removed then."""
    return rx.el.script(_KEEP_CLOSED)
