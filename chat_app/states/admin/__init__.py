"""The states of the administration: only events of a site admin reach them.

Each is an `AdminState`. `states/policy.py` gives its handlers to site admins, and a tab whose user
loses the role has all of them emptied (`blank`).
"""

from collections.abc import Iterator

import reflex as rx

from chat_app.states import NoticeState
from chat_app.states.account import SettingsState


class AdminState(SettingsState, NoticeState, mixin=True):
    """What a page of the administration shows, and a notice of what was refused.

    A state derives from this and from `rx.State`.
    """

    @rx.event
    async def dismiss(self):
        """Hide the notice."""
        self.notice = ""


def admin_states(of: type = AdminState) -> Iterator[type[rx.State]]:
    """Every state of the administration."""
    for derived in of.__subclasses__():
        if issubclass(derived, rx.State):
            yield derived
        else:
            yield from admin_states(derived)


async def blank(state: rx.State) -> None:
    """Empty what a tab has of the administration.

    Args:
        state: Any state of the tab.
    """
    for kind in admin_states():
        (await state.get_state(kind)).reset()
