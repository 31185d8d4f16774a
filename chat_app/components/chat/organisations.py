"""The organisations of the user: the current one, in the account menu, and moving a chat."""

from typing import Any

import reflex as rx

from chat_app.components import script
from chat_app.components.ui.icons import icon
from chat_app.states.views import OrganisationItem


class OrganisationChoices(rx.Component):
    """The current organisation, as a group of radio buttons in a menu, which a choice closes.

    Args:
        children: The mark of the current one.
        choices: Personal, then the organisations.
        value: The id of the current one; empty for Personal.
        on_pick: Called with the id of another one.
    """

    library = script("chat/organisations")
    tag = "OrganisationChoices"

    choices: rx.Var[list[OrganisationItem]]
    value: rx.Var[str]
    on_pick: rx.EventHandler[rx.event.passthrough_event_spec(str)]


class MoveDialog(rx.Component):
    """A modal dialog that moves a chat to another organisation, open as long as it is there.

    Args:
        title: That of the chat.
        choices: Personal, then the organisations.
        current: The id of the one that the chat is in; empty for Personal.
        problem: Why the chat could not be moved.
        on_move: Called with the id of the chosen one.
        on_close: Called when the user changes nothing.
    """

    library = script("chat/organisations")
    tag = "MoveDialog"

    title: rx.Var[str]
    choices: rx.Var[list[OrganisationItem]]
    current: rx.Var[str]
    problem: rx.Var[str]
    on_move: rx.EventHandler[rx.event.passthrough_event_spec(str)]
    on_close: rx.EventHandler[rx.event.no_args_event_spec]


move_dialog = MoveDialog.create


def organisation_choices(**props: Any) -> rx.Component:
    """The choice of the current organisation; see `OrganisationChoices`."""
    return OrganisationChoices.create(icon("check"), **props)
