"""The signed-in person, and what happens when that changes."""

import contextlib

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.db.errors import DatabaseError
from chat_app.services import services
from chat_app.settings import settings
from chat_app.states.chat import ChatState
from chat_app.states.principal import principal_or_none
from chat_app.states.thread_list import ThreadListState
from chat_app.states.views import PersonItem

SIGN_IN = "/signin"


class AuthState(rx.State):
    """Who this tab belongs to: `unknown` until the server has said, then one of the two."""

    phase: rx.Field[str] = rx.field("unknown")
    person: rx.Field[PersonItem] = rx.field(default_factory=PersonItem)
    _session: str = ""

    @rx.var
    def welcomes_strangers(self) -> bool:
        """Whether the operator lets people make an account by themselves."""
        return settings().sign_up_is_open

    @rx.var
    def email_delivery(self) -> str:
        """How emails are delivered: `smtp`, `log` or `none`."""
        return settings().email_delivery

    @rx.event(supersedes=True)
    async def on_auth_change(self):
        """Blank what another identity left, then load the new one's threads.

        Runs at every page load and reconnect. A newer call supersedes a running one, so the last
        identity wins whatever the database's pace.
        """
        who = principal_or_none()
        session = str(who.credential_id) if who else ""
        if session != self._session or who is None:
            self.person, self.phase, self._session = PersonItem(), "unknown", session
            (await self.get_state(ThreadListState))._blank()
            (await self.get_state(ChatState))._blank()
            yield
        if who is None:
            self.phase = "anonymous"
            yield rx.redirect(SIGN_IN)
            return
        if (await self.get_state(ChatState))._turn_to_address():
            yield  # at once: what is written now is for the chat in the address
        with contextlib.suppress(DatabaseError):  # whoever watches reads it until it can
            await self._load(who)

    async def _load(self, who: Principal) -> None:
        """Read the person and their threads."""
        person = await services().accounts.person(who)
        shown = person.name or person.email
        picture = await services().profiles.picture_digest(who)
        item = PersonItem(
            person.name, person.email, shown[:1].upper(), str(who.user_id), picture[:16]
        )
        threads = await self.get_state(ThreadListState)
        await threads._refresh(who)
        if item != self.person or self.phase != "authenticated":
            self.person, self.phase = item, "authenticated"
