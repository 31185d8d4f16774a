"""`/admin/usage`: what the users of the installation have used models for."""

import reflex as rx

from chat_app.pages.settings.sections import pager, section
from chat_app.pages.settings.usage import usage_sections, usage_table
from chat_app.states.admin.usage import AdminUsageState
from chat_app.usage.queries import PAGE


def usage() -> rx.Component:
    """The numbers of all users, by day, model, purpose, user and organisation."""
    state = AdminUsageState
    return usage_sections(
        state,
        section(
            "By user",
            usage_table("User", state.users),
            pager(state),
            lead="Those who used the most tokens come first. Deleted accounts share one row.",
        ),
        section(
            "By organisation",
            usage_table("Organisation", state.organisations),
            lead=f"The {PAGE} that used the most tokens. “Personal” stands for chats in no "
            "organisation.",
        ),
        lead=rx.cond(
            state.counted_since,
            rx.fragment(
                "Every model call of all users has been counted since ",
                state.counted_since,
                ". Earlier calls are not counted, nor some that ran when the server crashed.",
            ),
            rx.fragment(
                "Every model call of all users is counted.",
                rx.cond(state.loaded, rx.el.span(" There have been none so far.")),
            ),
        ),
    )
