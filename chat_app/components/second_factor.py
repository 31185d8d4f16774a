"""Turning the second factor on, and getting new backup codes."""

from typing import Any

import reflex as rx

from chat_app.components.account_form import CONFIRM_PAGE, SENTENCES
from chat_app.components.scripts import SCRIPTS


class _SetUp(rx.Component):
    library = SCRIPTS["second_factor"]
    tag = "SecondFactorSetUp"

    begin: rx.Var[str]
    confirm: rx.Var[str]
    confirm_page: rx.Var[str]
    sentences: rx.Var[dict[str, str]]
    on_done: rx.EventHandler[rx.event.no_args_event_spec]


class _NewCodes(rx.Component):
    library = SCRIPTS["second_factor"]
    tag = "NewBackupCodes"

    action: rx.Var[str]
    confirm_page: rx.Var[str]
    sentences: rx.Var[dict[str, str]]
    on_done: rx.EventHandler[rx.event.no_args_event_spec]


def second_factor_set_up(*, begin: str, confirm: str, on_done: Any) -> rx.Component:
    """The steps from nothing to ten backup codes.

    Args:
        begin: The route that makes a secret.
        confirm: The route that takes the first code.
        on_done: The event that follows.
    """
    return _SetUp.create(
        begin=begin,
        confirm=confirm,
        confirm_page=CONFIRM_PAGE,
        sentences=SENTENCES,
        on_done=on_done,
    )


def new_backup_codes(*, action: str, on_done: Any) -> rx.Component:
    """A button that makes ten new codes and shows them.

    Args:
        action: The route that makes them.
        on_done: The event that follows.
    """
    return _NewCodes.create(
        action=action, confirm_page=CONFIRM_PAGE, sentences=SENTENCES, on_done=on_done
    )
