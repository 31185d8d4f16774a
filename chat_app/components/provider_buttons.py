"""The buttons that lead to a provider's own sign-in page."""

import reflex as rx

from chat_app.components.scripts import SCRIPTS
from chat_app.states.providers import ProvidersState


class _ProviderForm(rx.Component):
    """A form that goes where its answer says."""

    library = SCRIPTS["provider_buttons"]
    tag = "ProviderForm"

    action: rx.Var[str]
    sentences: rx.Var[dict[str, str]]


def provider_buttons(*, start: str, sentences: dict[str, str]) -> rx.Component:
    """A button for each provider, below another way to sign in; nothing when there is none.

    Args:
        start: The route, without the provider's name at its end.
        sentences: What each `?error=` word means.
    """
    offered = ProvidersState.offered

    def button(provider: rx.vars.ObjectVar) -> rx.Component:
        return _ProviderForm.create(
            rx.el.button(f"Continue with {provider.label}", type="submit", class_name="provider"),
            action=f"{start}{provider.id}",
            sentences=sentences,
        )

    return rx.cond(
        offered.length() > 0,
        rx.el.div(
            rx.el.p(rx.el.span("or"), class_name="or"),
            rx.foreach(offered, button),
            class_name="providers",
        ),
    )
