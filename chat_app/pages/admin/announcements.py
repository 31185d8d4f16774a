"""`/admin/announcements`: what all users are told."""

import reflex as rx

from chat_app.components.auth.fields import labelled, submit_button
from chat_app.components.ui.feedback import notice, outcome
from chat_app.orgs.announcements import MAX_LENGTH, MAX_SHOWN
from chat_app.pages.settings.sections import (
    confirmed_event,
    event_button,
    section,
    when_loaded,
    which,
)
from chat_app.states.admin.announcements import AnnouncementListState, ListedAnnouncement

Item = rx.vars.ObjectVar[ListedAnnouncement]


def announcement_list() -> rx.Component:
    """A form that announces something, and the list of what was announced."""
    state = AnnouncementListState
    older = rx.el.button(
        "Show older announcements", type="button", on_click=state.more, class_name="small-button"
    )
    return rx.fragment(
        notice(state),
        section(
            "New announcement",
            rx.el.div(_form("Announce"), key=state.made.to_string()),
            outcome(state),
            lead="All signed-in users see it at the top of their pages until they dismiss it. "
            f"At most {MAX_SHOWN} are shown, the newest first.",
        ),
        section(
            "Announcements",
            when_loaded(
                state,
                rx.cond(
                    state.items.length() > 0,
                    rx.fragment(
                        rx.el.ul(rx.foreach(state.items, _entry), class_name="entries"),
                        rx.cond(state.has_more, older),
                    ),
                    rx.el.p("No announcements yet.", class_name="section-lead"),
                ),
            ),
        ),
    )


def _form(label: str, one: Item | None = None) -> rx.Component:
    """The fields of an announcement: of a new one, or of one that is changed."""
    return rx.el.form(
        rx.el.fieldset(
            rx.el.input(type="hidden", name="announcement", value="" if one is None else one.id),
            labelled(
                "Text",
                rx.el.textarea(
                    name="text",
                    class_name="field",
                    rows=3,
                    dir="auto",
                    required=True,
                    max_length=MAX_LENGTH,
                    default_value="" if one is None else one.text,
                ),
                _hint(f"Plain text, at most {MAX_LENGTH} characters."),
            ),
            labelled(
                "From",
                _time("starts", "" if one is None else one.starts),
                _hint("In UTC. Leave it empty to start now."),
            ),
            labelled(
                "Until",
                _time("ends", "" if one is None else one.ends),
                _hint("In UTC. Leave it empty for no end."),
            ),
            submit_button(label),
        ),
        on_submit=AnnouncementListState.save,
        class_name="account-form",
    )


def _hint(text: str) -> rx.Component:
    return rx.el.span(text, class_name="hint")


def _time(name: str, value: str | rx.Var[str]) -> rx.Component:
    return rx.el.input(type="datetime-local", name=name, class_name="field", default_value=value)


def _entry(one: Item) -> rx.Component:
    state = AnnouncementListState
    return rx.el.li(
        rx.el.div(
            rx.el.p(one.text, dir="auto", class_name="announced"),
            rx.el.span(one.detail, rx.el.span(one.status, class_name="tag")),
            class_name="entry",
        ),
        rx.el.div(
            rx.el.details(
                rx.el.summary("Edit", which(one.text), class_name="small-button"),
                _form("Save", one),
                class_name="disclosure revoke",
            ),
            rx.cond(
                one.status != "Ended",
                event_button("End now", one.text, state.end(one.id)),
            ),
            confirmed_event(
                *("Delete", "Delete announcement", one.text),
                "It is removed from this list too. This can't be undone.",
                state.delete(one.id),
            ),
            class_name="person-actions",
        ),
        key=f"{one.id}:{one.version}:{one.detail}",
    )
