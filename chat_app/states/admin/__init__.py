"""The states of the administration: only events of a site admin reach them.

Each is an `AdminState`. `states/policy.py` gives its handlers to site admins, and a tab whose user
loses the role has all of them emptied (`blank`).
"""

from collections.abc import Awaitable, Iterator

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError, NotFound
from chat_app.states import NoticeState, current_principal, notify
from chat_app.states.account import SettingsState

GONE = "This no longer exists."
"""What is said when another admin was faster."""


class AdminState(SettingsState, NoticeState, mixin=True):
    """What a page of the administration shows, and a notice of what was refused.

    A state derives from this and from `rx.State`.

    Attributes:
        done: What has just been done, for screen readers too; `notice_key` is its element's key.
    """

    done: rx.Field[str] = rx.field("")

    def _clear_messages(self) -> None:
        self.notice = self.done = ""

    async def _do(self, action: Awaitable[object], done: str = "") -> bool:
        """Whether an action succeeds; what the page shows is read again in any case.

        Args:
            action: What an admin does.
            done: What is said of it then.
        """
        self._clear_messages()
        try:
            await action
        except NotFound:
            notify(self, GONE)
        except ChatError as error:
            notify(self, error.message)
        await self._read(current_principal())
        if not self.notice:
            self.done = done
            self.notice_key += 1
        return not self.notice


class PagedState(SettingsState, mixin=True):
    """A list of which one page is shown.

    Attributes:
        number: Of the page, from 0.
        has_more: Whether there is one after it.
    """

    number: rx.Field[int] = rx.field(0)
    has_more: rx.Field[bool] = rx.field(False)

    @rx.event
    async def next_page(self):
        """Show the next page of the list, if there is one."""
        if self.has_more:
            self.number += 1
        await self._read_page(current_principal())

    @rx.event
    async def previous_page(self):
        """Show the page before this one."""
        self.number = max(0, self.number - 1)
        await self._read_page(current_principal())

    async def _read_page(self, principal: Principal) -> None:
        await self._read(principal)


class SearchedState(PagedState, mixin=True):
    """A list with a search.

    Attributes:
        text: What is searched for.
        total: How many entries match.
    """

    text: rx.Field[str] = rx.field("")
    total: rx.Field[int] = rx.field(0)

    @rx.event
    async def find(self, text: str):
        """Search."""
        self.text, self.number = text, 0
        await self._read_page(current_principal())


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
