"""Buttons that carry only a picture, and links inside the program."""

from typing import Any

import reflex as rx
from reflex_components_core.react_router.dom import ReactRouterLink

from chat_app.components.icon import icon


def icon_button(picture: str, label: str | rx.Var[str], **props: Any) -> rx.Component:
    """A button whose words are for screen readers and the tooltip."""
    shape = f"icon-button {props.pop('class_name', '')}".strip()
    return rx.el.button(
        icon(picture), type="button", class_name=shape, title=label, aria_label=label, **props
    )


def page_link(*children: Any, to: str | rx.Var[str], **props: Any) -> rx.Component:
    """A link to a page of this program, followed without loading it anew."""
    return ReactRouterLink.create(*children, to=to, **props)
