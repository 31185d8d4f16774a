"""The layout of pages with a menu beside them: those of the settings and of the administration."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import reflex as rx

from chat_app.components.auth.account import url_problem
from chat_app.components.ui.document import keep_focus, scroll_to_hash
from chat_app.components.ui.feedback import section_skeleton
from chat_app.components.ui.icons import icon, page_link
from chat_app.pages.announcements import announcements

_CONTENT = "settings-content"


@dataclass(frozen=True)
class MenuPage:
    """A page that a menu lists.

    Args:
        path: The URL's.
        title: Its heading, which is its title in the menu and in the browser's tab too.
        sections: Makes its content.
        loads: The handlers that load what it shows, if that is more than the signed-in user.
        picture: Its icon in the menu.
        about: What it has, in the menu of a phone. Without it the menu does not list the page: it
            is reached from another.
        parent: The path of that other page, whose entry in the menu is marked.
        heading: Makes its heading, where that is not its title.
    """

    path: str
    title: str
    sections: Callable[[], rx.Component]
    loads: tuple[Any, ...] = ()
    picture: str = ""
    about: str = ""
    parent: str = ""
    heading: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Menu:
    """Pages with the menu of them all.

    Args:
        title: Their name.
        path: The URL's of the menu: on a phone the menu alone, from which the pages are opened; on
            a wide screen the first page.
        pages: All of them, in the order of the menu.
    """

    title: str
    path: str
    pages: tuple[MenuPage, ...]

    def shown(self, page: MenuPage) -> Callable[[], rx.Component]:
        """A page as a signed-in user sees it."""

        @functools.wraps(page.sections)
        def show() -> rx.Component:
            return self._layout(
                rx.el.h1(page.heading() if page.heading else page.title),
                *(url_problem(), page.sections(), scroll_to_hash()),
                page=page,
            )

        return show

    def index(self) -> Callable[[], rx.Component]:
        """The first page, which a phone hides in favour of the menu."""
        first = self.pages[0]

        @functools.wraps(first.sections)
        def show() -> rx.Component:
            return self._layout(
                rx.el.h1(first.title), url_problem(), first.sections(), page=first, is_index=True
            )

        return show

    def waiting(self) -> rx.Component:
        """The layout before it is known who is signed in."""
        return self._layout(rx.el.h1(self.title, class_name="sr-only"), section_skeleton())

    def _layout(
        self, *content: Any, page: MenuPage | None = None, is_index: bool = False
    ) -> rx.Component:
        listed = (one for one in self.pages if one.about)
        menu = rx.el.nav(
            *([rx.el.h1(self.title, class_name="only-index")] if is_index else []),
            rx.el.ul(*(_menu_item(one, page) for one in listed)),
            aria_label=self.title,
            class_name="settings-menu",
        )
        shown: dict[str, Any] = {"class_name": "settings-content"}
        main: dict[str, Any] = {"id": _CONTENT, "tab_index": -1}
        kept = keep_focus() if page else rx.fragment()
        back = {"to": self.path, "class_name": "quiet-button to-settings"}
        return rx.el.div(
            rx.el.a(f"Skip to {self.title.lower()}", href=f"#{_CONTENT}", class_name="skip"),
            rx.el.header(
                page_link(
                    icon("back"), "Back to chats", to="/", class_name="quiet-button to-chats"
                ),
                page_link(icon("back"), self.title, **back),
                class_name="settings-head",
            ),
            announcements() if page else rx.fragment(),
            # On the index of a phone the menu is the content.
            *(
                [
                    rx.el.main(
                        *(menu, rx.el.div(*content, **shown), kept),
                        class_name="settings-index",
                        **main,
                    )
                ]
                if is_index
                else [menu, rx.el.main(*content, kept, **shown, **main)]
            ),
            class_name="settings index" if is_index else "settings",
        )


def _menu_item(page: MenuPage, shown: MenuPage | None) -> rx.Component:
    here = {"aria_current": "page"} if page is shown else {}
    if shown is not None and page.path == shown.parent:
        here = {"aria_current": "true"}
    return rx.el.li(
        page_link(
            icon(page.picture),
            rx.el.span(page.title, class_name="settings-title"),
            rx.el.span(page.about, class_name="settings-about"),
            to=page.path,
            class_name="settings-link",
            **here,
        )
    )
