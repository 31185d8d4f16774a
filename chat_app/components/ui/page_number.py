"""Which page of a list is shown."""

import reflex as rx

from chat_app.components import script


class PageNumber(rx.Component):
    """Says the page to screen readers too, and brings the beginning of another one into view.

    It stands in the element right after the list.

    Args:
        number: Of the page, from 0.
    """

    library = script("ui/page_number")
    tag = "PageNumber"

    number: rx.Var[int]


page_number = PageNumber.create
