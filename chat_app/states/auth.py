"""The signed-in user, what happens when that changes, and who may sign up."""

import contextlib
from urllib.parse import quote

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.errors import DatabaseError
from chat_app.reflex_ext.events import route_argument, route_path
from chat_app.services import services
from chat_app.settings import settings
from chat_app.states import admin, current_principal_or_none
from chat_app.states.announcements import AnnouncementState, show_announcements
from chat_app.states.chat import ChatState, open_route
from chat_app.states.organisation_pages.page import blank_if_changed
from chat_app.states.organisations import CurrentOrganisationState, load_organisations
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
        if await blank_if_changed(self, principal):
            yield
        if session != self._session or principal is None:
            self.user, self.phase, self._session = UserItem(), "unknown", session
            blank(await self.get_state(ThreadListState))
            (await self.get_state(SearchState)).reset()
            (await self.get_state(AnnouncementState)).reset()
            (await self.get_state(ChatState)).reset()
            (await self.get_state(CurrentOrganisationState)).reset()
            yield
        if principal is None:
            self.phase = "anonymous"
            yield rx.redirect(_sign_in_url(route_path(self)))
            return
        if open_route(await self.get_state(ChatState)):
            yield  # at once: what is written now is for the chat in the URL
        with contextlib.suppress(DatabaseError):  # `Feed.watch` reads it until it can
            joined = route_argument(self, "joined")
            await load_user(self, principal, joined if isinstance(joined, str) else "")
            if joined:  # once: a reload stays in the organisation that is chosen by then
                yield rx.redirect("/", replace=True)


def _sign_in_url(path: str) -> str:
    """The sign-in page; where no gateway sends the pages, with the page to come back to."""
    if not settings().api_origin or not path.strip("/"):
        return SIGN_IN
    return f"{SIGN_IN}?callbackUrl={quote(path, safe='')}"


async def load_user(auth: AuthState, principal: Principal, joined: str = "") -> None:
    """Read the user, their organisations, the threads of the current one, and announcements."""
    person = await services().accounts.profile(principal)
    name = person.name or person.email
    picture = await services().profiles.picture_digest(principal)
    item = UserItem(
        person.name, person.email, name[:1].upper(), str(principal.user_id), picture[:16]
    )
    open_thread = (await auth.get_state(ChatState)).thread
    organisations = await auth.get_state(CurrentOrganisationState)
    await load_organisations(organisations, principal, open_thread, joined)
    await refresh(await auth.get_state(ThreadListState), principal)
    if item != auth.user or auth.phase != "authenticated":
        auth.user, auth.phase = item, "authenticated"
    await show_announcements(await auth.get_state(AnnouncementState), principal)


class SignUpState(rx.State):
    """Whether the sign-up form is offered, and which emails it takes."""

    # A page is built before there are services, with what the settings alone say.
    is_open: rx.Field[bool] = rx.field(default_factory=lambda: settings().sign_up_is_open)
    hint: rx.Field[str] = rx.field("")
    """What an email must be; empty where any will do."""

    @rx.event
    async def load_policy(self):
        """Read the sign-up policy."""
        live = services()
        policy = await live.sign_up_policies.current()
        can_verify = live.settings.email_delivery != "none"
        self.is_open = policy.mode != "closed" and (can_verify or not policy.needs_verified_email)
        self.hint = {
            "domains": "Only emails of some domains are accepted here.",
            "invited": "Use the email address that was invited.",
        }.get(policy.mode, "")
