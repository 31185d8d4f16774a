"""`/admin/audit`: what was done to accounts, roles and settings, and by whom."""

import reflex as rx

from chat_app.audit.actions import TITLES
from chat_app.components.auth.fields import submit_button
from chat_app.pages.settings.audit_sections import events
from chat_app.pages.settings.sections import action_row, section
from chat_app.reflex_ext.build import api_url
from chat_app.states.admin.audit import AuditState

_ROUTE = "/api/admin/audit"


def audit_log() -> rx.Component:
    """The filters, the rows and the export."""
    return rx.fragment(
        events(
            AuditState,
            TITLES,
            whose="User's email",
            lead="Users are named as long as they have an account. Times are in UTC.",
        ),
        section(
            "Export",
            _export("For spreadsheets.", "Download CSV", "csv"),
            _export("For programs, a line of JSON for each event.", "Download JSON", "jsonl"),
            lead="Every event that the filters show, the oldest first.",
        ),
    )


def _export(text: str, label: str, form: str) -> rx.Component:
    return action_row(
        text,
        submit_button(label, class_name="small-button"),
        action=f"{api_url(_ROUTE)}?format={form}&{AuditState.export_query}",
        method="GET",
        file_name=f"audit.{form}",
    )
