"""Which handler runs for whom, with what arguments.

Every public method of a state is a remote procedure with the sender's arguments, the framework's
own included. So a handler without a row does not run, and no body sees an argument that its row
has not checked. A test compares the rows with what Reflex has registered.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, Literal
from uuid import UUID

import reflex as rx
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic import create_model as model_of
from reflex.state import (
    BaseState,
    FrontendEventExceptionState,
    OnLoadInternalState,
    State,
    StateUpdate,
    UpdateVarsInternalState,
)
from reflex_base.event import Event
from reflex_base.registry import RegistrationContext
from reflex_base.utils.format import format_event_handler

from chat_app.auth.hooks import ClaimsUnavailable
from chat_app.services import services
from chat_app.states.account import (
    ConfirmState,
    ConnectionsState,
    PasskeysState,
    PasswordState,
    SessionsState,
    TwoFactorState,
)
from chat_app.states.auth import AuthState
from chat_app.states.chat import ChatState
from chat_app.states.feed import Feed
from chat_app.states.principal import set_principal
from chat_app.states.thread_list import ThreadListState


class Access(Enum):
    """Who may send an event."""

    ANYONE = "anyone"
    SIGNED_IN = "signed in"
    NOBODY = "nobody"


def _is_uuid(value: str) -> str:
    if str(UUID(value)) != value:
        raise ValueError("not a canonical UUID")
    return value


def _is_text(value: str) -> str:
    value.encode()  # a lone surrogate is not text
    return value


def _text(most: int, least: int = 0, pattern: str | None = None) -> Any:
    rule = StringConstraints(strict=True, min_length=least, max_length=most, pattern=pattern)
    return Annotated[str, rule, AfterValidator(_is_text)]


Id = Annotated[str, StringConstraints(strict=True, max_length=36), AfterValidator(_is_uuid)]
Address = Id | Literal[""]
ClientId = _text(64, 1, r"^[A-Za-z0-9_-]+$")
Handle = _text(8, 8, r"^[0-9a-f]{8}$")
Message = _text(262_144)
Title = model_of("Title", __config__=ConfigDict(extra="forbid", strict=True), title=_text(1_000))


@dataclass(frozen=True)
class PolicyRow:
    """One handler's policy.

    Args:
        who: Who may send it.
        arguments: The type of each argument, as pydantic reads it, strictly.
        optional: Arguments that may be missing.
    """

    who: Access
    arguments: Mapping[str, Any]
    optional: frozenset[str] = frozenset()

    def check(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The payload, proved.

        Raises:
            ValidationError: An argument is missing, unknown, or not of its type.
        """
        return self._model.model_validate(payload).model_dump(exclude_unset=True)

    @cached_property
    def _model(self) -> type[BaseModel]:
        fields: dict[str, Any] = {
            name: (kind | None, None) if name in self.optional else (kind, ...)
            for name, kind in self.arguments.items()
        }
        return model_of("Payload", __config__=ConfigDict(extra="forbid", strict=True), **fields)


def _row(
    who: Access, handler: Any, /, optional: tuple[str, ...] = (), **arguments: Any
) -> tuple[str, PolicyRow]:
    return format_event_handler(handler), PolicyRow(who, arguments, frozenset(optional))


def _framework() -> list[tuple[str, PolicyRow]]:
    """Reflex's own handlers. Nothing in this app lives in browser storage."""
    hashes = Annotated[list[_text(128)], Field(max_length=64)]
    nothing = Annotated[dict[str, Any], Field(max_length=0)]
    root = State.event_handlers
    load = OnLoadInternalState.event_handlers
    rows = [
        _row(Access.ANYONE, root["hydrate"]),
        _row(
            Access.ANYONE,
            root["hydrate_and_load"],
            ("vars", "hashes"),
            vars=nothing,
            hashes=hashes,
        ),
        _row(Access.ANYONE, root["set_is_hydrated"], value=bool),
        _row(Access.ANYONE, load["on_load_internal"]),
        _row(Access.ANYONE, load["set_is_hydrated"], value=bool),
        _row(Access.NOBODY, UpdateVarsInternalState.event_handlers["update_vars_internal"]),
        _row(
            Access.NOBODY,
            FrontendEventExceptionState.event_handlers["handle_frontend_exception"],
        ),
    ]
    setters = [
        (name, PolicyRow(Access.NOBODY, {}))
        for name in RegistrationContext.get().event_handlers
        if name.endswith(".setvar")
    ]
    return rows + setters


def table() -> dict[str, PolicyRow]:
    """Every row, by the handler's full name."""
    signed_in = Access.SIGNED_IN
    own = [
        _row(Access.ANYONE, AuthState.on_auth_change),
        _row(signed_in, ConnectionsState.load),
        _row(signed_in, ThreadListState.more),
        _row(signed_in, ThreadListState.find, text=_text(200)),
        _row(signed_in, ThreadListState.begin_rename, thread_id=Id),
        _row(signed_in, ThreadListState.cancel_rename),
        _row(signed_in, ThreadListState.rename, form=Title),
        _row(signed_in, ThreadListState.delete, thread_id=Id),
        _row(signed_in, ThreadListState.undo_delete),
        _row(signed_in, ThreadListState.dismiss),
        _row(signed_in, ThreadListState.set_zone, name=_text(64, 1, r"^[A-Za-z0-9_+/-]+$")),
        _row(signed_in, ChatState.older),
        _row(signed_in, ChatState.newer),
        _row(signed_in, ChatState.latest),
        _row(signed_in, ChatState.send, client_id=ClientId, thread=Address, text=Message),
        _row(signed_in, ChatState.stop, thread=Address),
        _row(signed_in, ChatState.retry, message_id=Id),
        _row(signed_in, ChatState.pick_model, model_id=_text(200, 1)),
        _row(signed_in, ChatState.tell, sentence=_text(300)),
        _row(signed_in, ChatState.dismiss),
        _row(signed_in, PasswordState.load),
        _row(signed_in, SessionsState.load),
        _row(signed_in, PasskeysState.load),
        _row(signed_in, TwoFactorState.load),
        _row(signed_in, ConfirmState.load),
        _row(signed_in, Feed.open),
        _row(signed_in, Feed.watch),
        _row(signed_in, Feed.resync, run=Handle, have=Annotated[int, Field(ge=0, le=10**8)]),
    ]
    return dict([*_framework(), *own])


class Policy(rx.Middleware):
    """Runs before every handler, background and chained events included.

    Attributes:
        rows: The table.
        refused: How many events were stopped, by reason. Their content is kept nowhere.
    """

    def __init__(self, rows: Callable[[], dict[str, PolicyRow]] = table) -> None:
        self._make = rows
        self._rows: dict[str, PolicyRow] | None = None
        self.refused: Counter[str] = Counter()

    @property
    def rows(self) -> dict[str, PolicyRow]:
        """The table, made when the first event arrives: by then every state is registered."""
        if self._rows is None:
            self._rows = self._make()
        return self._rows

    async def preprocess(self, app: rx.App, state: BaseState, event: Event) -> StateUpdate | None:
        """Let the handler run as the session's principal, or stop the event.

        What the operator's function says of the person is asked at each event: a claim that was
        taken away is gone at the next one.

        Returns:
            None to run the handler; an empty update to stop it.
        """
        row = self.rows.get(event.name)
        if row is None or row.who is Access.NOBODY:
            return self._refuse("unknown" if row is None else "nobody")
        # The guard put the session there; the state key is bound to it, so a stored value is
        # never another session's.
        session = state.router_data.get("headers", {}).get("authorization", "")
        try:
            who = await services().sessions.principal(UUID(session)) if session else None
        except ClaimsUnavailable:
            return self._refuse("no claims")
        if who is None and row.who is Access.SIGNED_IN:
            return self._refuse("signed out")
        try:
            checked = row.check(event.payload)
        except (ValidationError, ValueError):
            return self._refuse("arguments")
        event.payload.clear()
        event.payload.update(checked)
        set_principal(who)
        return None

    def _refuse(self, reason: str) -> StateUpdate:
        self.refused[reason] += 1
        return StateUpdate()
