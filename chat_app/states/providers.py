"""The providers that the operator set up, as the pages name them."""

from dataclasses import dataclass

import reflex as rx

from chat_app.settings import settings


@dataclass(frozen=True)
class ProviderItem:
    """A place to sign in from.

    Args:
        id: Its name in the routes.
        label: Its name on the page.
    """

    id: str
    label: str


class ProvidersState(rx.State):
    """Nothing of it belongs to anybody, so it is the same for everyone."""

    # A built page serves other settings than it was built with: a button that gives way to another
    # under somebody's hand would send them to the wrong provider.
    @rx.var(initial_value=[])
    def offered(self) -> list[ProviderItem]:
        """All of them, in the operator's order."""
        return [ProviderItem(one.id, one.label) for one in settings().sign_in_providers]
