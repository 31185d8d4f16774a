"""Icons as inline SVG (no icon library, no request), icon buttons, page links and the brand."""

from typing import Any

import reflex as rx

from chat_app.reflex_ext.app import ReactRouterLink

_PATHS = {
    "new": "M12 5v14M5 12h14",
    "menu": "M4 7h16M4 12h16M4 17h10",
    "close": "M6 6l12 12M18 6L6 18",
    "search": "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM20 20l-4-4",
    "rename": "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
    "move": "M4 7v12h16V9h-8l-2-2zM9.5 14H15M12.7 11.7L15 14l-2.3 2.3",
    "delete": "M5 7h14M10 11v6M14 11v6M7 7l1 13h8l1-13M9.5 7V4.5h5V7",
    "copy": "M9 9h11v11H9zM5 15H4V4h11v1",
    "check": "M5 12.5l4.5 4.5L19 7.5",
    "continue": "M4 12h13M12 6.5l5.5 5.5-5.5 5.5M20.5 6v12",
    "retry": "M19.5 12a7.5 7.5 0 1 1-2.2-5.3L19.5 9M19.5 4v5h-5",
    "stopped": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9.5 9.5h5v5h-5z",
    "cut": "M4 7h16M4 12h10M4 17h5M18 13v6M15.5 16.5L18 19l2.5-2.5",
    "details": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5.5M12 7.6v.1",
    "warning": "M12 4l9 16H3zM12 10v4.5M12 17.2v.1",
    "up": "M12 19V6M6 11.5L12 5.5l6 6",
    "updown": "M8 10l4-4 4 4M8 14l4 4 4-4",
    "down": "M7 10l5 5 5-5",
    "back": "M19 12H6M11.5 6.5L6 12l5.5 5.5",
    "settings": (
        "M4 7h9M17 7h3M4 17h3M11 17h9M15 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4z"
        "M9 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4z"
    ),
    "sign_out": "M14 4h5v16h-5M15 12H4M8 8l-4 4 4 4",
    "sidebar": "M4 5h16v14H4zM10 5v14",
    "more": "M6 12h.01M12 12h.01M18 12h.01",
    "account": "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5c1-4 4-5.5 7.5-5.5s6.5 1.5 7.5 5.5",
    "api_keys": "M15.5 13.5a5 5 0 1 0-4.9-4L4 16.1V20h3.9v-2.4h2.4v-2.4h1.8l1.4-1.6M16 8.5h.01",
    "security": ("M12 3l7.5 3v5.5c0 4.5-3 8-7.5 9.5-4.5-1.5-7.5-5-7.5-9.5V6zM9 12l2.2 2.2 4-4.2"),
    "chat": "M4 5h16v11h-8l-5 4v-4H4z",
    "data": (
        "M12 9c4.5 0 7.5-1.1 7.5-2.7S16.5 3.5 12 3.5 4.5 4.7 4.5 6.3 7.5 9 12 9z"
        "M4.5 6.3v11.4c0 1.6 3 2.8 7.5 2.8s7.5-1.2 7.5-2.8V6.3"
        "M4.5 12c0 1.6 3 2.7 7.5 2.7s7.5-1.1 7.5-2.7"
    ),
    "admin": "M4 20V9l8-5.5L20 9v11M4 20h16M9.5 20v-6h5v6M12 8.5v.1",
    "people": (
        "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3 19.5c.8-3.4 3-4.8 6-4.8s5.2 1.4 6 4.8"
        "M15.5 5a3.2 3.2 0 0 1 0 6.2M17 15c2 .5 3.4 2 4 4.5"
    ),
    "organisation": "M4 20V5h10v15M14 10h6v10M2.5 20h19M7.5 9h3M7.5 12.5h3M7.5 16h3M17 13.5v.1",
    "usage": "M4 20h16M6.5 20v-7M12 20V5M17.5 20v-10",
    "light": (
        "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21"
        "M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M5.6 18.4l1.1-1.1M17.3 6.7l1.1-1.1"
    ),
    "dark": "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
    "system": "M4 5h16v11H4zM9 20h6M12 16v4",
    "learn": "M12 6.5C10 5 7 4.5 4 5v13c3-.5 6 0 8 1.5M12 6.5c2-1.5 5-2 8-1.5v13c-3-.5-6 0-8 1.5z",
    "write": "M4 20c6-1 12-6 16-16C12 5 6 10 4 20zM4 20L13 11",
    "plan": "M9 6.5h11M9 12h11M9 17.5h11M4 6.5l1 1 1.7-2M4 12l1 1 1.7-2M4 17.5l1 1 1.7-2",
    "code": "M8 7l-5 5 5 5M16 7l5 5-5 5M13.5 5l-3 14",
    "offline": (
        "M4 4l16 16M8.5 15.5a5 5 0 0 1 7 0M5 12a10 10 0 0 1 4-2.4M19 12a10 10 0 0 0-5-2.8M12 19v.1"
    ),
    "nothing": "M4 6h16v10H9l-5 4zM9.5 9.5l5 4M14.5 9.5l-5 4",
}

PRODUCT = "Chat"
"""The product's name."""


def icon(name: str) -> rx.Component:
    """A decorative picture beside a label; screen readers skip it.

    Args:
        name: One of the names above.

    Raises:
        KeyError: There is no such icon.
    """
    return rx.el.svg(
        rx.el.svg.path(d=_PATHS[name]),
        view_box="0 0 24 24",
        class_name="icon",
        custom_attrs={"aria-hidden": "true"},
    )


def icon_button(picture: str, label: str | rx.Var[str], **props: Any) -> rx.Component:
    """A button with an icon; its label is for screen readers and the tooltip."""
    shape = f"icon-button {props.pop('class_name', '')}".strip()
    return rx.el.button(
        icon(picture), type="button", class_name=shape, title=label, aria_label=label, **props
    )


def page_link(*children: Any, to: str | rx.Var[str], **props: Any) -> rx.Component:
    """A link to a page of this app, followed on the client without a full page load."""
    return ReactRouterLink.create(*children, to=to, **props)


def brand() -> rx.Component:
    """The logo with the product's name."""
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
