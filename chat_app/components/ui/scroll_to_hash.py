"""Brings the section that a URL names into view."""

import reflex as rx

from chat_app.components import script


class ScrollToHash(rx.Component):
    """Scrolls to the element named by the `#` of the URL, once."""

    library = script("ui/scroll_to_hash")
    tag = "ScrollToHash"


scroll_to_hash = ScrollToHash.create
