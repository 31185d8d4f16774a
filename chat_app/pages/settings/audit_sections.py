"""The parts of a page with an audit log: its filters, and its rows."""

from collections.abc import Mapping

import reflex as rx

from chat_app.audit.actions import Action
from chat_app.components.auth.fields import field, submit_button, text_field
from chat_app.components.ui.feedback import notice
from chat_app.components.ui.filter_form import filter_form
from chat_app.pages.settings.sections import section, when_loaded
from chat_app.states.audit_log import AuditItem, AuditLogState


def events(
    state: type[AuditLogState], titles: Mapping[Action, str], *, whose: str, lead: str
) -> rx.Component:
    """The filters, and the rows that they describe.

    Args:
        state: Has the rows.
        titles: The actions that can be chosen, with their names.
        whose: The label of the field for an email.
        lead: A sentence below the heading.
    """
    rows = rx.fragment(
        rx.el.ul(rx.foreach(state.items, _row), class_name="entries"),
        rx.cond(
            state.has_more,
            rx.el.button(
                "Show older events", type="button", on_click=state.more, class_name="small-button"
            ),
        ),
    )
    empty = rx.cond(state.notice == "", rx.el.p("No events match.", class_name="section-lead"))
    return section(
        "Events",
        _filters(state, titles, whose),
        notice(state),
        when_loaded(state, rx.cond(state.items.length() > 0, rows, empty)),
        lead=lead,
    )


def _filters(state: type[AuditLogState], titles: Mapping[Action, str], whose: str) -> rx.Component:
    return filter_form(
        field(
            "Action",
            "action",
            rx.el.select(
                rx.el.option("All actions", value=""),
                *(rx.el.option(title, value=action) for action, title in titles.items()),
                id="action",
                name="action",
                class_name="field",
                default_value=state.action,
            ),
        ),
        text_field(
            whose,
            "email",
            auto_complete="off",
            auto_capitalize="none",
            spell_check=False,
            max_length=254,
            default_value=state.email,
        ),
        text_field(*("From", "since"), type="date", default_value=state.since),
        text_field(*("Until", "until"), type="date", default_value=state.until),
        submit_button("Show"),
        on_filter=state.search,
        class_name="audit-filters",
        custom_attrs={"aria-label": "Filters"},
    )


def _row(item: rx.vars.ObjectVar[AuditItem]) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.strong(item.title),
            rx.cond(item.people, rx.el.span(item.people)),
            rx.el.span(item.detail),
            class_name="entry",
        ),
        key=item.id,
    )
