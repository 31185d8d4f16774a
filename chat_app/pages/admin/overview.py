"""`/admin/overview`: the installation at a glance."""

import reflex as rx

from chat_app.pages.settings.sections import figures, section, when_loaded
from chat_app.states.admin.overview import OverviewState


def overview() -> rx.Component:
    """Counts, each with what it is of."""
    return section(
        "Users",
        when_loaded(
            OverviewState,
            figures(
                ("Users", OverviewState.users),
                ("Seen in the last 24 hours", OverviewState.seen_today),
                ("Disabled", OverviewState.disabled),
                ("Admins", OverviewState.admins),
            ),
        ),
    )
