"""`/admin/models`: the models and the health of their providers."""

import reflex as rx

from chat_app.pages.settings.sections import entries, section
from chat_app.states.admin.models import ModelHealthState


def models() -> rx.Component:
    """Every model that users can choose, with how its last calls went."""
    return section(
        "Providers' health",
        entries(ModelHealthState, lambda _: rx.fragment(), if_empty="There are no models."),
        rx.el.button(
            "Look again",
            type="button",
            class_name="small-button",
            on_click=ModelHealthState.load,
        ),
        lead="What the calls of users say. A model that fails three times in a row rests, and its "
        "alternatives answer meanwhile.",
    )
