"""The page of every URL that leads nowhere. It is for everyone, and shows nothing of a user."""

import reflex as rx

from chat_app.components.ui.icons import PRODUCT, brand, icon, page_link


def not_found() -> rx.Component:
    """Says that there is no such page, and leads back."""
    return rx.el.div(
        rx.el.header(
            page_link(brand(), to="/", class_name="home", aria_label=f"{PRODUCT}: home"),
            class_name="bare-head",
        ),
        rx.el.main(
            icon("nothing"),
            rx.el.h1("Page not found"),
            rx.el.p("The link is wrong, or the page has moved."),
            page_link("Go to your chats", to="/", class_name="button"),
            class_name="not-found",
        ),
        class_name="bare-page",
    )
