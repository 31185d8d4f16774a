"""The parts of settings pages: sections, forms, and lists whose entries have a button."""

from collections.abc import Callable
from typing import Any

import reflex as rx

from chat_app.components.auth.account import account_form
from chat_app.components.auth.fields import submit_button
from chat_app.components.ui.feedback import section_skeleton
from chat_app.components.ui.page_number import page_number
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


def which(*text: Any) -> rx.Component:
    """What tells a button or link from its like on other rows, for screen readers.

    Args:
        text: The name of what it is about.
    """
    return rx.el.span(" ", *text, class_name="sr-only")


def event_button(
    label: str, name: Any, on_click: Any, *, class_name: str = "small-button", **props: Any
) -> rx.Component:
    """A button of a row that sends an event.

    Args:
        label: Its text.
        name: What it is about; see `which`.
        on_click: The event.
        class_name: Its look.
        props: Further attributes.
    """
    return rx.el.button(
        label, which(name), type="button", class_name=class_name, on_click=on_click, **props
    )


def confirmed(label: str, name: Any, consequence: Any, control: rx.Component) -> rx.Component:
    """What an action will do, and the control that does it, behind a label.

    Args:
        label: The text of what opens it.
        name: What the action is about; see `which`.
        consequence: A sentence.
        control: A button, or a form with one.
    """
    return rx.el.details(
        rx.el.summary(label, which(name), class_name="small-button"),
        rx.el.p(consequence),
        control,
        class_name="disclosure revoke",
        key=label,  # what takes its place must not be open
        custom_attrs={"data-action": label},
    )


def confirmed_event(
    label: str, button: str, name: Any, consequence: Any, on_click: Any
) -> rx.Component:
    """`confirmed` with a button that sends an event.

    Args:
        label: The text of what opens it.
        button: The text of the button.
        name: What the action is about; see `which`.
        consequence: A sentence.
        on_click: The event.
    """
    act = event_button(button, name, on_click, class_name="small-button danger")
    return confirmed(label, name, consequence, act)


def search_input(label: str, placeholder: str, state: Any, **shown: Any) -> rx.Component:
    """A field that searches while it is typed in.

    Args:
        label: Its name for screen readers.
        placeholder: What can be typed.
        state: Has the `text`, and a handler `find`.
        shown: `value`, where the state empties the field; else it only begins with the text.
    """
    return rx.el.input(
        type="search",
        class_name="field",
        placeholder=placeholder,
        aria_label=label,
        on_change=state.find.debounce(250),
        max_length=200,
        **(shown or {"default_value": state.text}),
    )


def match_count(state: Any, one: str, many: str) -> rx.Component:
    """How many entries a list with a search has, or that none matches; for screen readers too.

    Args:
        state: Has the `text` that is searched for, and the `total`.
        one: What an entry is.
        many: What several are.
    """
    none = rx.cond(state.text.strip() == "", f"No {many} yet.", f"No {many} match your search.")
    some = rx.fragment(state.total, rx.cond(state.total == 1, f" {one}", f" {many}"))
    return rx.el.p(rx.cond(state.total == 0, none, some), class_name="section-lead", role="status")


def pager(state: Any) -> rx.Component:
    """The buttons to the pages before and after the shown one; nothing where it is the only one.

    It stands right after the list.

    Args:
        state: Has the `number` of the page, from 0, and `has_more`; and the handlers
            `previous_page` and `next_page`.
    """
    return rx.cond(
        (state.number > 0) | state.has_more,
        rx.el.div(
            rx.el.button(
                "Previous page",
                type="button",
                class_name="small-button",
                on_click=state.previous_page,
                disabled=state.number == 0,
            ),
            page_number(number=state.number),
            rx.el.button(
                "Next page",
                type="button",
                class_name="small-button",
                on_click=state.next_page,
                disabled=~state.has_more,
            ),
            class_name="buttons",
        ),
    )


def figures(*entries: tuple[str, rx.Var[int] | rx.Var[str]]) -> rx.Component:
    """Numbers beside each other, each with its name."""
    return rx.el.dl(
        *(rx.el.div(rx.el.dt(name), rx.el.dd(value)) for name, value in entries),
        class_name="figures",
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
        return account_form(
            submit_button(
                button, which(entry.title, " ", entry.subtitle), class_name="small-button"
            ),
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
