"""`/admin/models`: the models and the health of their providers."""

import reflex as rx

from chat_app.llm.health import FAILURES
from chat_app.pages.settings.sections import entries, section
from chat_app.states.admin.models import ModelHealthState


def models() -> rx.Component:
    """Every model that users can choose, with how its last calls went."""
    return section(
        "Providers' health",
        entries(ModelHealthState, lambda _: rx.fragment(), if_empty="There are no models."),
        rx.el.button(
            "Refresh",
            type="button",
            class_name="small-button",
            on_click=ModelHealthState.load,
        ),
        lead=f"From users' calls. After {FAILURES} failures in a row a model is paused, and its "
        "alternatives answer.",
    )
