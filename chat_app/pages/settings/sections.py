"""The parts of settings pages: sections, forms, and lists whose entries have a button."""

from collections.abc import Callable
from typing import Any

import reflex as rx

from chat_app.components.auth.account import account_form
from chat_app.components.auth.fields import submit_button
from chat_app.components.ui.feedback import section_skeleton
from chat_app.reflex_ext.build import api_url
from chat_app.states.account import SettingsEntry, SettingsList, SettingsState

Entry = rx.vars.ObjectVar[SettingsEntry]


def section(title: str, *children: Any, lead: Any = None, id: str = "") -> rx.Component:
    """A part of a page.

    Args:
        title: Its heading.
        children: Its content.
        lead: A sentence below the heading.
        id: What the `#` of a URL names it by; may be empty.
    """
    above = [rx.el.p(lead, class_name="section-lead")] if lead is not None else []
    props: dict[str, Any] = {"id": id} if id else {}
    return rx.el.section(rx.el.h2(title), *above, *children, class_name="settings-section", **props)


def form_section(title: str, *fields: Any, lead: Any = None, **form: Any) -> rx.Component:
    """A part of a page that is one form.

    Args:
        title: Its heading.
        fields: The fields and the button.
        lead: A sentence below the heading.
        form: The properties of `AccountForm`.
    """
    return section(title, account_form(*fields, **form), lead=lead)


def action_row(text: Any, button: rx.Component, **form: Any) -> rx.Component:
    """What a button does, and the button beside it.

    Args:
        text: A sentence.
        button: Sends the form.
        form: The properties of `AccountForm`.
    """
    return rx.el.div(rx.el.p(text), account_form(button, **form), class_name="action-row")


def disclosure(label: Any, *content: rx.Component) -> rx.Component:
    """A button that shows and hides what is below it.

    Args:
        label: The button's text.
        content: Hidden at first.
    """
    return rx.el.details(
        rx.el.summary(label, class_name="small-button"), *content, class_name="disclosure"
    )


def when_loaded(state: type[SettingsState], *content: rx.Component) -> rx.Component:
    """Content that needs the state of its page; a placeholder until that is loaded."""
    return rx.cond(state.loaded, rx.fragment(*content), section_skeleton())


def entry_list(
    state: type[SettingsList],
    button: str,
    route: str,
    *,
    if_empty: str = "",
    more: Callable[[Entry], rx.Component] | None = None,
) -> rx.Component:
    """A list of entries, each with a button that deletes it.

    Args:
        state: Has the entries.
        button: The label of the button.
        route: The HTTP route of the entries, without an entry's id at its end.
        if_empty: A sentence in place of an empty list.
        more: Makes what an entry holds besides its texts.
    """

    def delete_form(entry: Entry) -> rx.Component:
        which = rx.el.span(" ", entry.title, " ", entry.subtitle, class_name="sr-only")
        return account_form(
            submit_button(button, which, class_name="small-button"),
            action=f"{api_url(route)}/{entry.id}",
            method="DELETE",
            on_done=state.load,
        )

    return entries(state, delete_form, if_empty=if_empty, more=more)


def entries(
    state: type[SettingsList],
    action: Callable[[Entry], rx.Component],
    *,
    if_empty: str = "",
    more: Callable[[Entry], rx.Component] | None = None,
) -> rx.Component:
    """A list of entries, each with what can be done with it.

    Args:
        state: Has the entries.
        action: Makes what an entry has beside its texts; nothing for the current one.
        if_empty: A sentence in place of an empty list.
        more: Makes what an entry holds besides its texts.
    """

    def row(entry: Entry) -> rx.Component:
        return rx.el.li(
            rx.el.div(
                rx.el.strong(
                    entry.title, " ", rx.cond(entry.tag, rx.el.span(entry.tag, class_name="tag"))
                ),
                rx.cond(entry.subtitle, rx.el.span(entry.subtitle)),
                rx.el.span(entry.detail),
                more(entry) if more else rx.fragment(),
                class_name="entry",
            ),
            rx.cond(entry.is_current, rx.fragment(), action(entry)),
            key=entry.id,
        )

    items = rx.el.ul(rx.foreach(state.items, row), class_name="entries")
    empty = rx.el.p(if_empty, class_name="section-lead")
    return when_loaded(state, rx.cond(state.items.length() > 0, items, empty))
