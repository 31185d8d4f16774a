"""The event that Reflex is handling: its handler, its tab, and what can be sent back to the tab."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import reflex as rx
from reflex.state import (
    BaseState,
    FrontendEventExceptionState,
    OnLoadInternalState,
    State,
    StateUpdate,
    UpdateVarsInternalState,
)
from reflex_base.constants.state import FIELD_MARKER
from reflex_base.event import Event
from reflex_base.event.context import EventContext
from reflex_base.registry import RegistrationContext
from reflex_base.utils.format import format_event_handler

__all__ = ["BaseState", "Event", "StateUpdate"]

FRAMEWORK_HANDLERS: Mapping[str, Any] = {
    "hydrate": State.event_handlers["hydrate"],
    "hydrate_and_load": State.event_handlers["hydrate_and_load"],
    "set_is_hydrated": State.event_handlers["set_is_hydrated"],
    "on_load": OnLoadInternalState.event_handlers["on_load_internal"],
    "on_load_set_is_hydrated": OnLoadInternalState.event_handlers["set_is_hydrated"],
    "update_vars": UpdateVarsInternalState.event_handlers["update_vars_internal"],
    "page_exception": FrontendEventExceptionState.event_handlers["handle_frontend_exception"],
}
"""Reflex's own handlers, besides the `setvar` of every state."""


class EventPolicy(rx.Middleware):
    """Decides which events run, before their handlers.

    Attributes:
        refused: How many events were stopped, by reason.
    """

    refused: Counter[str]

    @property
    @abstractmethod
    def rows(self) -> Mapping[str, object]:
        """A policy for each handler, by the handler's full name."""


def handler_name(handler: Any) -> str:
    """The full name under which a page sends events to a handler."""
    return format_event_handler(handler)


def setvar_names() -> Iterator[str]:
    """The full names of the `setvar` handlers that Reflex gives to every state."""
    return (name for name in RegistrationContext.get().event_handlers if name.endswith(".setvar"))


def stop_event(*then: Any) -> StateUpdate:
    """What a middleware returns to stop an event.

    Args:
        then: Events to handle in its place, as `State.handler(...)`.
    """
    return StateUpdate(events=Event.from_event_type(list(then)) if then else [])


def authorization(state: BaseState) -> str:
    """The Authorization header of the tab's socket; the gateway puts the session's id there."""
    return state.router_data.get("headers", {}).get("authorization", "")


def socket_origin(state: BaseState) -> tuple[str, str]:
    """The client IP of the tab's socket, and the id that the gateway has given to the socket."""
    headers = state.router_data.get("headers", {})
    return state.router_data.get("ip", ""), headers.get("x-request-id", "")


def route_argument(state: BaseState, name: str) -> Any:
    """An argument of the route that the tab shows, for example `thread`; None without one."""
    return state.router_data.get("query", {}).get(name)


def route_path(state: BaseState) -> str:
    """The path and query of the page that the tab shows, as it says; empty when it does not."""
    path = state.router_data.get("asPath", "")
    return path if isinstance(path, str) else ""


def state_key() -> str:
    """The key of the state whose event is being handled; Reflex calls it the client token."""
    return EventContext.get().token


_FORM = "__reflex_form_data__"


def form_fields(sent: Any) -> Any:
    """The fields of a form by name, out of what a page sends for `on_submit`; else what was sent.

    Raises:
        ValueError: A field is not a text, or there are two of a name.
    """
    if not isinstance(sent, dict) or sent.keys() != {_FORM}:
        return sent
    fields: dict[str, str] = {}
    pairs = sent[_FORM]
    for pair in pairs if isinstance(pairs, list) else [None]:
        if not isinstance(pair, list) or [type(one) for one in pair] != [str, str]:
            raise ValueError("not a field of text")
        name, value = pair
        if name in fields:
            raise ValueError("two fields of one name")
        fields[name] = value
    return fields


def var_emitter(state: type[rx.State], var: str) -> Callable[[object], Awaitable[None]]:
    """A function that sends a value of a var to the tab, and leaves the var as it is.

    It goes straight to the socket: no lock and no diff of the state tree for a token.

    Args:
        state: The state that declares the var.
        var: The name of the var.
    """
    name, field = state.get_full_name(), var + FIELD_MARKER

    async def emit(value: object) -> None:
        await EventContext.get().emit_delta({name: {field: value}})

    return emit
