"""The layout of every settings page: the menu, and the sections of one page."""

from typing import Any

import reflex as rx

from chat_app.auth.errors import error_messages
from chat_app.components.auth.account import url_problem
from chat_app.components.ui.feedback import section_skeleton
from chat_app.components.ui.icons import PRODUCT, brand, icon, page_link
from chat_app.reflex_ext.build import baked_settings

MENU: tuple[tuple[str, str], ...] = (
    ("profile", "Profile"),
    ("password", "Password"),
    ("connections", "Connections"),
    ("passkeys", "Passkeys"),
    ("two-factor", "Two-factor"),
    ("sessions", "Sessions"),
    ("data", "Your data"),
)
"""The last part of each page's path, and its title, in the order of the menu. What a page shows is
in `PAGES`; a page that is not listed here is reached from another one."""

_CONTENT = "settings-content"


def path_of(slug: str) -> str:
    """The path of a settings page."""
    return f"/settings/{slug}"


def settings_page(title: str, *sections: Any) -> rx.Component:
    """One settings page.

    Args:
        title: Its heading; the menu entry with the same title is marked as the current page.
        sections: Its content, each made by `section`.
    """
    return _layout(
        title,
        rx.el.h1(title),
        url_problem(messages=error_messages(baked_settings().password_min_length)),
        *sections,
    )


def section(title: str, *children: Any, lead: Any = None) -> rx.Component:
    """A part of a page.

    Args:
        title: Its heading.
        children: Its content.
        lead: A sentence below the heading.
    """
    above = [rx.el.p(lead, class_name="section-lead")] if lead is not None else []
    return rx.el.section(rx.el.h2(title), *above, *children, class_name="settings-section")


def waiting() -> rx.Component:
    """The layout before it is known who is signed in."""
    return _layout("", rx.el.h1("Settings", class_name="sr-only"), section_skeleton())


def _layout(title: str, *content: Any) -> rx.Component:
    return rx.el.div(
        rx.el.a("Skip to settings", href=f"#{_CONTENT}", class_name="skip"),
        rx.el.header(
            page_link(brand(), to="/", class_name="home", aria_label=f"{PRODUCT}: home"),
            page_link(icon("back"), "Back to chats", to="/", class_name="quiet-button"),
            class_name="settings-head",
        ),
        rx.el.nav(
            rx.el.ul(*(rx.el.li(_link(slug, name, name == title)) for slug, name in MENU)),
            aria_label="Settings",
            class_name="settings-menu",
        ),
        rx.el.main(*content, id=_CONTENT, tab_index=-1, class_name="settings-content"),
        class_name="settings",
    )


def _link(slug: str, name: str, is_here: bool) -> rx.Component:
    here = {"aria_current": "page"} if is_here else {}
    return page_link(name, to=path_of(slug), class_name="settings-link", **here)
