"""The product's name and mark, in one place."""

import reflex as rx

PRODUCT = "Chat"


def brand() -> rx.Component:
    """The mark with the name."""
    return rx.el.span(
        rx.el.svg(
            rx.el.svg.path(d="M4 4h24v18H15l-7 6v-6H4z", class_name="mark-bubble"),
            rx.el.svg.path(d="M10 11h12M10 15.5h7", class_name="mark-lines"),
            view_box="0 0 32 32",
            class_name="mark",
            custom_attrs={"aria-hidden": "true"},
        ),
        rx.el.span(PRODUCT, class_name="brand-name"),
        class_name="brand",
    )
