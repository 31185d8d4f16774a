"""What a page does as a document: its title, the section its URL names, its focus, its origin."""

import reflex as rx

from chat_app.components import script


class PageEffects(rx.Component):
    """Sets the tab's title, reports the time zone, closes the drawer, leaves a deleted thread.

    Args:
        thread: The id of the open thread, or nothing.
        title: Its title, or nothing.
        product: The product's name.
        deleted: The id of the thread that was deleted last in this tab.
        on_zone: Called once with a time zone name such as `Europe/Berlin`.
        on_deleted: Called when that thread is the open one.
    """

    library = script("ui/page_effects")
    tag = "PageEffects"

    thread: rx.Var[str]
    title: rx.Var[str]
    product: rx.Var[str]
    deleted: rx.Var[str]

    on_zone: rx.EventHandler[rx.event.passthrough_event_spec(str)]
    on_deleted: rx.EventHandler[rx.event.no_args_event_spec]


page_effects = PageEffects.create


class ScrollToHash(rx.Component):
    """Scrolls to the element named by the `#` of the URL, once."""

    library = script("ui/scroll_to_hash")
    tag = "ScrollToHash"


scroll_to_hash = ScrollToHash.create


class KeepFocus(rx.Component):
    """Keeps the focus in the element that it stands in when what has it is removed.

    And on what this page and the one before it both have, such as a link of the menu.
    """

    library = script("ui/keep_focus")
    tag = "KeepFocus"


keep_focus = KeepFocus.create


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
