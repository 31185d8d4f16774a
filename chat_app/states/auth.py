"""The signed-in user, and what happens when that changes."""

import contextlib
from urllib.parse import quote

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.errors import DatabaseError
from chat_app.reflex_ext.events import route_path
from chat_app.services import services
from chat_app.settings import settings
from chat_app.states import admin, current_principal_or_none
from chat_app.states.chat import ChatState, open_route
from chat_app.states.search import SearchState
from chat_app.states.thread_list import ThreadListState, blank, refresh
from chat_app.states.views import UserItem

SIGN_IN = "/signin"


class AuthState(rx.State):
    """Whom this tab belongs to. The phase is `unknown`, `anonymous` or `authenticated`."""

    phase: rx.Field[str] = rx.field("unknown")
    is_admin: rx.Field[bool] = rx.field(False)
    """Whether the user is a site admin."""
    user: rx.Field[UserItem] = rx.field(default_factory=UserItem)
    _session: str = ""

    # Reflex computes this one at compile time as well, before there are services.
    @rx.var
    def sign_up_is_open(self) -> bool:
        """Whether anyone may create an account."""
        return settings().sign_up_is_open

    # The settings may have changed since the build: no built page says that an email was sent.
    @rx.var(initial_value="")
    def email_delivery(self) -> str:
        """How emails are delivered: `smtp`, `log` or `none`."""
        return settings().email_delivery

    @rx.event(supersedes=True)
    async def on_auth_change(self):
        """Blank what another user's session left, then load the new one's threads.

        Runs at every page load and reconnect. A newer call supersedes a running one, so the last
        session wins however slow the database is.
        """
        principal = current_principal_or_none()
        session = str(principal.credential_id) if principal else ""
        is_admin = principal is not None and principal.site_role == "admin"
        if self.is_admin and not is_admin:
            self.is_admin = False
            await admin.blank(self)
            yield
        self.is_admin = is_admin
        if session != self._session or principal is None:
            self.user, self.phase, self._session = UserItem(), "unknown", session
            blank(await self.get_state(ThreadListState))
            (await self.get_state(SearchState)).reset()
            (await self.get_state(ChatState)).reset()
            yield
        if principal is None:
            self.phase = "anonymous"
            yield rx.redirect(_sign_in_url(route_path(self)))
            return
        if open_route(await self.get_state(ChatState)):
            yield  # at once: what is written now is for the chat in the URL
        with contextlib.suppress(DatabaseError):  # `Feed.watch` reads it until it can
            await load_user(self, principal)


def _sign_in_url(path: str) -> str:
    """The sign-in page; where no gateway sends the pages, with the page to come back to."""
    if not settings().api_origin or not path.strip("/"):
        return SIGN_IN
    return f"{SIGN_IN}?callbackUrl={quote(path, safe='')}"


async def load_user(auth: AuthState, principal: Principal) -> None:
    """Read the user and their threads, and show them."""
    person = await services().accounts.profile(principal)
    name = person.name or person.email
    picture = await services().profiles.picture_digest(principal)
    item = UserItem(
        person.name, person.email, name[:1].upper(), str(principal.user_id), picture[:16]
    )
    await refresh(await auth.get_state(ThreadListState), principal)
    if item != auth.user or auth.phase != "authenticated":
        auth.user, auth.phase = item, "authenticated"
