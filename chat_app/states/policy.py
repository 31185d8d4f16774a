"""The policy table: who may send which event, and with what arguments.

Every public method of a state is a remote procedure with the sender's arguments, the framework's
own included. So a handler without a row does not run, and no body sees an argument that its row
has not validated. A test compares the rows with what Reflex has registered.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, lru_cache, partial
from typing import Annotated, Any, Literal
from uuid import UUID

import reflex as rx
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic import create_model as model_of

from chat_app.auth.operator_hooks import ClaimsUnavailable
from chat_app.auth.principal import Principal
from chat_app.auth.sign_in.policy import SignUpMode
from chat_app.core.logging import request_client, request_id
from chat_app.core.text import CLIENT_ID_PATTERN, is_client_id
from chat_app.llm.base import Effort
from chat_app.reflex_ext.events import (
    FRAMEWORK_HANDLERS,
    BaseState,
    Event,
    EventPolicy,
    StateUpdate,
    authorization,
    form_fields,
    handler_name,
    setvar_names,
    socket_origin,
    state_key,
    stop_event,
)
from chat_app.reflex_ext.tabs import tabs
from chat_app.services import services
from chat_app.states import account, set_principal, to_step_up
from chat_app.states.admin import admin_states
from chat_app.states.admin.announcements import AnnouncementListState
from chat_app.states.admin.audit import AuditState
from chat_app.states.admin.models import ModelRulesState
from chat_app.states.admin.organisations import AdminOrganisationsState
from chat_app.states.admin.people import PeopleState
from chat_app.states.admin.sign_up import SignUpPolicyState
from chat_app.states.admin.usage import AdminUsageState
from chat_app.states.announcements import AnnouncementState
from chat_app.states.auth import AuthState, SignUpState
from chat_app.states.branches import BranchState
from chat_app.states.chat import ChatState, open_route
from chat_app.states.chat_defaults import ChatDefaultsState
from chat_app.states.context import ContextState, WarningState
from chat_app.states.details import DetailsState
from chat_app.states.feed import Feed
from chat_app.states.organisation_pages.page import (
    MembersState,
    OrganisationAuditState,
    OrganisationListState,
    OrganisationPageState,
    blank_if_changed,
)
from chat_app.states.organisations import CurrentOrganisationState
from chat_app.states.readers import PastReadingsState
from chat_app.states.reading import ReadingRequestState, ReadingState
from chat_app.states.search import SearchState
from chat_app.states.thread_list import ThreadListState
from chat_app.states.usage import OwnUsageState
from chat_app.usage.queries import Days


class Access(Enum):
    """Who may send an event."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"
    SITE_ADMIN = "site admin"
    CLOSED = "closed"


def _is_uuid(value: str) -> str:
    if str(UUID(value)) != value:
        raise ValueError("not a canonical UUID")
    return value


def _is_text(value: str) -> str:
    value.encode()  # a lone surrogate is not text
    return value


def _text(max_length: int, min_length: int = 0, pattern: str | None = None) -> Any:
    rule = StringConstraints(
        strict=True, min_length=min_length, max_length=max_length, pattern=pattern
    )
    return Annotated[str, rule, AfterValidator(_is_text)]


Id = Annotated[str, StringConstraints(strict=True, max_length=36), AfterValidator(_is_uuid)]
IdOrNone = Id | Literal[""]
ClientId = _text(64, 1, f"^{CLIENT_ID_PATTERN}$")
StreamId = _text(6, 6, r"^[A-Za-z0-9_-]{6}$")
PartIndex = Annotated[int, Field(ge=0, le=10**5)]
Length = Annotated[int, Field(ge=0, le=10**8)]
Version = Annotated[int, Field(ge=1, le=10**9)]
_STRICT = ConfigDict(extra="forbid", strict=True)
Title = model_of("Title", __config__=_STRICT, title=_text(1_000))
AuditForm = model_of(
    "AuditForm",
    __config__=_STRICT,
    action=_text(40),
    email=_text(254),
    since=_text(10),
    until=_text(10),
)
NewUserForm = Annotated[
    model_of("NewUserForm", __config__=_STRICT, email=_text(300), name=_text(300)),
    BeforeValidator(form_fields),
]
SignUpForm = Annotated[
    model_of("SignUpForm", __config__=_STRICT, mode=(SignUpMode, ...), domains=_text(4_000)),
    BeforeValidator(form_fields),
]
AnnouncementForm = Annotated[
    model_of(
        "AnnouncementForm",
        __config__=_STRICT,
        announcement=IdOrNone,
        text=_text(2_000),
        starts=_text(30),
        ends=_text(30),
    ),
    BeforeValidator(form_fields),
]
ReadingForm = Annotated[
    model_of(
        "ReadingForm",
        __config__=_STRICT,
        member=IdOrNone,
        minutes=_text(4, 1, "^[0-9]+$"),
        reason=_text(10_000),
    ),
    BeforeValidator(form_fields),
]
NewOrganisationForm = Annotated[
    model_of("NewOrganisationForm", __config__=_STRICT, name=_text(300), email=_text(300)),
    BeforeValidator(form_fields),
]
Options = model_of(
    "Options",
    __config__=_STRICT,
    instructions=_text(100_000),
    temperature=(float | None, ...),
    effort=(Effort | None, ...),
)

Replacement = Callable[[Mapping[str, Any]], Any]


def _optional(kind: Any) -> Any:
    return Annotated[kind | None, Field(default=None)]


@dataclass(frozen=True)
class PolicyRow:
    """One handler's policy.

    Args:
        access: Who may send the event.
        arguments: The type of each argument, as pydantic reads it, strictly.
        is_fresh: Whether the user must have authenticated lately; who has not is sent to the
            step-up page, and the event is dropped.
        if_invalid: Makes the event that is handled in place of one whose arguments are not valid;
            None drops it.
    """

    access: Access
    arguments: Mapping[str, Any]
    if_invalid: Replacement | None = None
    is_fresh: bool = False

    def check(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The payload, validated.

        Raises:
            ValidationError: An argument is missing, unknown, or not of its type.
        """
        return self._model.model_validate(payload).model_dump(exclude_unset=True)

    @cached_property
    def _model(self) -> type[BaseModel]:
        return model_of("Payload", __config__=_STRICT, **self.arguments)


def _row(
    access: Access,
    handler: Any,
    /,
    if_invalid: Replacement | None = None,
    is_fresh: bool = False,
    **arguments: Any,
) -> tuple[str, PolicyRow]:
    return handler_name(handler), PolicyRow(access, arguments, if_invalid, is_fresh)


def _administration() -> list[tuple[str, PolicyRow]]:
    """The handlers of the pages below `/admin`."""
    row, people = partial(_row, Access.SITE_ADMIN), PeopleState
    organisations, rules = AdminOrganisationsState, ModelRulesState
    dangerous = (
        *(people.disable, people.delete, people.reset_two_factor),
        *(people.promote, people.demote),
    )
    return [
        *(row(getattr(state, name)) for state in admin_states() for name in ("load", "dismiss")),
        row(AuditState.search, form=AuditForm),
        row(AuditState.more),
        row(AdminUsageState.choose, days=Days),
        row(AdminUsageState.next_page),
        row(AdminUsageState.previous_page),
        row(AnnouncementListState.save, form=AnnouncementForm),
        row(AnnouncementListState.more),
        row(AnnouncementListState.end, announcement_id=Id),
        row(AnnouncementListState.delete, announcement_id=Id),
        row(SignUpPolicyState.save, is_fresh=True, form=SignUpForm),
        row(people.find, text=_text(200)),
        row(people.next_page),
        row(people.previous_page),
        row(people.add_user, is_fresh=True, form=NewUserForm),
        row(people.reset_link, is_fresh=True, user_id=Id),
        row(people.hide_link),
        row(people.enable, user_id=Id),
        row(people.end_sessions, user_id=Id),
        *(row(handler, is_fresh=True, user_id=Id) for handler in dangerous),
        row(organisations.find, text=_text(200)),
        row(organisations.next_page),
        row(organisations.previous_page),
        row(organisations.open, org_id=Id),
        row(organisations.more_members),
        row(organisations.create, is_fresh=True, form=NewOrganisationForm),
        row(organisations.make_owner, is_fresh=True, org_id=Id, user_id=Id),
        row(organisations.remove, is_fresh=True, org_id=Id, user_id=Id),
        row(organisations.forbid_reading, is_fresh=True, org_id=Id),
        row(organisations.delete, is_fresh=True, org_id=Id),
        row(rules.find, text=_text(200)),
        row(rules.show_organisation, org_id=IdOrNone),
        row(
            rules.set_rule,
            is_fresh=True,
            org_id=IdOrNone,
            model_id=_text(200, 1),
            role=Literal["", "owner", "admin", "member"],
            choice=Literal["", "on", "off"],
        ),
    ]


def _organisations() -> list[tuple[str, PolicyRow]]:
    """The handlers of the pages of organisations: each asks the user's role in its own query."""
    row, members, audit_log = partial(_row, Access.SIGNED_IN), MembersState, OrganisationAuditState
    return [
        row(OrganisationListState.load),
        *map(row, (OrganisationPageState.load, OrganisationPageState.watch)),
        row(members.find, text=_text(200)),
        *map(row, (members.next_page, members.previous_page)),
        *map(row, (audit_log.load, audit_log.more, audit_log.dismiss)),
        row(audit_log.search, form=AuditForm),
    ]


def _readings() -> list[tuple[str, PolicyRow]]:
    """The handlers of the page that shows a member's chats, and of those around it.

    Whose chats a user may read, the grant says: it is looked up in each handler.
    """
    row, reading, request = partial(_row, Access.SIGNED_IN), ReadingState, ReadingRequestState
    return [
        *map(row, (reading.open, reading.watch, reading.end, reading.dismiss)),
        row(reading.resync, stream_id=StreamId, part=PartIndex, have=Length),
        row(request.load),
        row(request.ask, is_fresh=True, form=ReadingForm),
        row(request.dismiss),
        row(PastReadingsState.load),
        row(PastReadingsState.more),
    ]


def _framework() -> list[tuple[str, PolicyRow]]:
    """Reflex's own handlers. Nothing in this app lives in browser storage."""
    hashes = _optional(Annotated[list[_text(128)], Field(max_length=64)])
    empty = _optional(Annotated[dict[str, Any], Field(max_length=0)])
    of, public, closed = FRAMEWORK_HANDLERS, Access.PUBLIC, Access.CLOSED
    return [
        _row(public, of["hydrate"]),
        _row(public, of["hydrate_and_load"], vars=empty, hashes=hashes),
        _row(public, of["set_is_hydrated"], value=bool),
        _row(public, of["on_load"]),
        _row(public, of["on_load_set_is_hydrated"], value=bool),
        _row(closed, of["update_vars"]),
        _row(closed, of["page_exception"]),
        *((name, PolicyRow(closed, {})) for name in setvar_names()),
    ]


def _message_is_invalid(payload: Mapping[str, Any]) -> Any:
    client_id = payload.get("client_id")
    if not isinstance(client_id, str) or not is_client_id(client_id):
        return None
    return ChatState.show_notice(
        "This message can't be sent; it may hold a broken character. Your text is still here.",
        client_id,
    )


@lru_cache(1)
def table(frame_bytes: int) -> dict[str, PolicyRow]:
    """Every row, by the handler's full name.

    It is made when the first event arrives: by then every state is registered.

    Args:
        frame_bytes: The largest frame of a socket. A text may fill it, so that one that is too
            long reaches `send` and comes back with a message.
    """
    threads, chat, organisations = ThreadListState, ChatState, CurrentOrganisationState
    without_arguments = (
        *(threads.more, threads.cancel_rename, threads.undo_delete, threads.dismiss),
        *(chat.older, chat.newer, chat.latest, chat.dismiss, Feed.open, Feed.watch),
        *(chat.refresh_models, ChatDefaultsState.load, ChatDefaultsState.dismiss),
        *(ContextState.look, AnnouncementState.watch),
        *(SearchState.more_messages, BranchState.undo_delete, BranchState.dismiss_undo),
        *(account.PasswordState.load, account.LinkedAccountsState.load, account.PasskeysState.load),
        *(account.TwoFactorState.load, account.SessionsState.load, account.ConfirmState.load),
        account.ApiKeysState.load,
        *(organisations.cancel_move, organisations.undo_move, organisations.dismiss_move),
        organisations.dismiss,
        OwnUsageState.load,
    )
    row = partial(_row, Access.SIGNED_IN)
    message = _text(frame_bytes)
    own = [
        _row(Access.PUBLIC, AuthState.on_auth_change),
        _row(Access.PUBLIC, SignUpState.load_policy),
        *map(row, without_arguments),
        row(threads.find, text=_text(200)),
        row(SearchState.find_messages, text=_text(200)),
        row(threads.begin_rename, thread_id=Id),
        row(threads.rename, form=Title),
        row(threads.delete, thread_id=Id),
        row(threads.set_zone, name=_text(64, 1, r"^[A-Za-z0-9_+/-]+$")),
        row(
            chat.send,
            if_invalid=_message_is_invalid,
            client_id=ClientId,
            thread=IdOrNone,
            text=message,
            model=_optional(_text(200)),
            options=_optional(Options),
            organisation=_optional(IdOrNone),
        ),
        row(chat.seek, message_id=Id),
        row(chat.stop, thread=IdOrNone),
        row(chat.unarchive, thread=IdOrNone),
        row(chat.retry, message_id=Id),
        row(
            BranchState.edit,
            if_invalid=_message_is_invalid,
            client_id=ClientId,
            message_id=Id,
            text=message,
        ),
        row(BranchState.choose, message_id=Id),
        row(BranchState.continue_answer, message_id=Id),
        row(BranchState.delete, message_id=Id),
        row(chat.pick_model, model_id=_text(200, 1)),
        row(chat.set_options, request=ClientId, thread=IdOrNone, options=Options),
        row(OwnUsageState.choose, days=Days),
        row(ChatDefaultsState.pick_model, model_id=_text(200, 1)),
        row(chat.show_notice, message=_text(300), refused=_optional(ClientId)),
        row(Feed.resync, stream_id=StreamId, part=PartIndex, have=Length),
        row(DetailsState.show, message_id=IdOrNone),
        row(ContextState.compact, thread=IdOrNone),
        row(WarningState.dismiss, thread=Id),
        row(organisations.switch, org_id=IdOrNone),
        row(organisations.begin_move, thread_id=Id),
        row(organisations.move, thread_id=Id, org_id=IdOrNone),
        row(AnnouncementState.dismiss, announcement_id=Id, version=Version),
    ]
    pages = [*_organisations(), *_readings(), *_administration()]
    return dict([*_framework(), *own, *pages])


_HYDRATES = {handler_name(FRAMEWORK_HANDLERS[name]) for name in ("hydrate", "hydrate_and_load")}
"""The events that send a tab its whole state."""


async def _is_fresh(principal: Principal) -> bool:
    live = services()
    return await live.step_up.is_fresh(principal, live.clock(), live.settings)


class Policy(EventPolicy):
    """Runs before every handler, background and chained events included.

    Attributes:
        refused: How many events were stopped, by reason. Their content is kept nowhere.
    """

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()

    @property
    def rows(self) -> dict[str, PolicyRow]:
        """The table."""
        return table(services().settings.socket_frame_bytes)

    async def preprocess(self, app: rx.App, state: BaseState, event: Event) -> StateUpdate | None:
        """Let the handler run as the session's principal, or stop the event.

        The operator's session hook is called at each event: a claim that was taken away is gone
        at the next one. An event waits until its tab has taken most of what was sent to it.

        Returns:
            None to run the handler; else an update that stops it.
        """
        await tabs.wait_for_room(state_key())
        row = self.rows.get(event.name)
        if row is None or row.access is Access.CLOSED:
            return self._refuse("unknown" if row is None else "closed")
        # The gateway put the session on the socket. The state key is bound to that session, so a
        # stored value is never another session's.
        session_id = authorization(state)
        try:
            principal = (
                await services().sessions.principal(UUID(session_id)) if session_id else None
            )
        except ClaimsUnavailable:
            return self._refuse("no claims")
        if principal is None and row.access is not Access.PUBLIC:
            return self._refuse("signed out")
        is_admin = principal is not None and principal.site_role == "admin"
        if row.access is Access.SITE_ADMIN and not is_admin:
            return self._refuse("role")
        try:
            checked = row.check(event.payload)
        except (ValidationError, ValueError):
            instead = row.if_invalid(event.payload) if row.if_invalid else None
            return self._refuse("arguments", instead)
        if row.is_fresh and not (principal and await _is_fresh(principal)):
            return self._refuse("not fresh", to_step_up(state))
        event.payload.clear()
        event.payload.update(checked)
        set_principal(principal)
        # what the handler does is logged and audited as a request's work is
        client_ip, socket_id = socket_origin(state)
        request_client.set(client_ip)
        request_id.set(socket_id)
        if event.name in _HYDRATES:
            # A tab that was loaded anew at another URL still has the chat of the old one. What
            # is written before `on_load` has run would go to that chat.
            open_route(await state.get_state(ChatState))
            # What was read by a role or a grant is asked for again: it may have ended meanwhile.
            for kind in (ReadingState, ReadingRequestState):
                (await state.get_state(kind)).reset()
            await blank_if_changed(await state.get_state(OrganisationPageState), principal)
        return None

    def _refuse(self, reason: str, instead: Any = None) -> StateUpdate:
        self.refused[reason] += 1
        return stop_event(instead) if instead is not None else stop_event()
