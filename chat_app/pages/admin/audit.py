"""`/admin/audit`: what was done to accounts, roles and settings, and by whom."""

import reflex as rx

from chat_app.audit.actions import TITLES
from chat_app.components.auth.fields import field, submit_button, text_field
from chat_app.components.ui.feedback import notice
from chat_app.components.ui.filter_form import filter_form
from chat_app.pages.settings.sections import action_row, section, when_loaded
from chat_app.reflex_ext.build import api_url
from chat_app.states.admin.audit import AuditItem, AuditState

_ROUTE = "/api/admin/audit"


def audit_log() -> rx.Component:
    """The filters, the rows and the export."""
    rows = rx.fragment(
        rx.el.ul(rx.foreach(AuditState.items, _row), class_name="entries"),
        rx.cond(
            AuditState.has_more,
            rx.el.button(
                "Show older events",
                type="button",
                on_click=AuditState.more,
                class_name="small-button",
            ),
        ),
    )
    empty = rx.el.p("No events match.", class_name="section-lead")
    return rx.fragment(
        section(
            "Events",
            _filters(),
            notice(AuditState.notice, AuditState.dismiss),
            when_loaded(AuditState, rx.cond(AuditState.items.length() > 0, rows, empty)),
            lead="Users are named as long as they have an account. Times are in UTC.",
        ),
        section(
            "Export",
            _export("For spreadsheets.", "Download CSV", "csv"),
            _export("For programs, a line of JSON for each event.", "Download JSON", "jsonl"),
            lead="Every event that the filters show, the oldest first.",
        ),
    )


def _filters() -> rx.Component:
    return filter_form(
        field(
            "Action",
            "action",
            rx.el.select(
                rx.el.option("All actions", value=""),
                *(rx.el.option(title, value=action) for action, title in TITLES.items()),
                id="action",
                name="action",
                class_name="field",
                default_value=AuditState.action,
            ),
        ),
        text_field(
            "User's email",
            "email",
            auto_complete="off",
            auto_capitalize="none",
            spell_check=False,
            max_length=254,
            default_value=AuditState.email,
        ),
        text_field(*("From", "since"), type="date", default_value=AuditState.since),
        text_field(*("Until", "until"), type="date", default_value=AuditState.until),
        submit_button("Show"),
        on_filter=AuditState.search,
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


def _export(text: str, label: str, form: str) -> rx.Component:
    return action_row(
        text,
        submit_button(label, class_name="small-button"),
        action=f"{api_url(_ROUTE)}?format={form}&{AuditState.export_query}",
        method="GET",
        file_name=f"audit.{form}",
    )
