"""`/settings/passkeys`: keys on a person's own devices, instead of a password."""

import reflex as rx

from chat_app.auth.names import NAME_MAX_LENGTH
from chat_app.components.account_form import account_form
from chat_app.components.auth_sheet import field
from chat_app.components.passkeys import passkey_add
from chat_app.components.skeleton import section_skeleton
from chat_app.pages.backend import backend
from chat_app.pages.settings.frame import section, settings_page
from chat_app.settings import settings
from chat_app.states.settings.passkeys import PasskeyItem, PasskeysState

_ROUTE = "/api/account/passkeys"


def passkeys() -> rx.Component:
    """The page."""
    return settings_page("Passkeys", _list(), _add() if settings().has_passkeys else _nowhere())


def _list() -> rx.Component:
    return section(
        "Your passkeys",
        rx.cond(
            PasskeysState.loaded,
            rx.cond(
                PasskeysState.items,
                rx.el.ul(rx.foreach(PasskeysState.items, _row), class_name="entries"),
                rx.el.p("There is none yet.", class_name="section-lead"),
            ),
            section_skeleton(),
        ),
        lead="Sign in with your fingerprint, your face or your device's own code. "
        "A passkey works on no other site and cannot be guessed or told.",
    )


def _row(item: rx.vars.ObjectVar[PasskeyItem]) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.strong(
                item.name, rx.cond(item.is_synced, rx.el.span("Synced", class_name="tag"))
            ),
            rx.el.span(
                "made ",
                item.made,
                rx.cond(item.used, rx.fragment(" · used ", item.used), " · not used yet"),
            ),
            rx.el.details(rx.el.summary("Rename", class_name="text-button start"), _rename(item)),
            class_name="entry",
        ),
        account_form(
            rx.el.button(
                "Remove",
                rx.el.span(" ", item.name, class_name="unseen"),
                type="submit",
                class_name="small-button",
            ),
            action=f"{backend(_ROUTE)}/{item.id}",
            method="DELETE",
            on_done=PasskeysState.load,
        ),
        key=item.id,
    )


def _rename(item: rx.vars.ObjectVar[PasskeyItem]) -> rx.Component:
    return account_form(
        rx.el.input(
            name="name",
            default_value=item.name,
            class_name="field small",
            max_length=NAME_MAX_LENGTH,
            aria_label="New name",
            required=True,
        ),
        rx.el.button("Save", type="submit", class_name="small-button"),
        action=f"{backend(_ROUTE)}/{item.id}",
        method="PATCH",
        on_done=PasskeysState.load,
    )


def _add() -> rx.Component:
    return section(
        "Add one",
        passkey_add(
            field(
                "What to call it",
                "passkey-name",
                rx.el.input(
                    id="passkey-name",
                    name="name",
                    class_name="field",
                    placeholder="Phone, laptop, blue key",
                    max_length=NAME_MAX_LENGTH,
                ),
                optional=True,
            ),
            rx.el.button("Add a passkey", type="submit", class_name="button"),
            options=backend(f"{_ROUTE}/options"),
            action=backend(_ROUTE),
            on_done=PasskeysState.load,
        ),
    )


def _nowhere() -> rx.Component:
    return section(
        "Not under this address",
        lead="Browsers give passkeys to sites with a name, not to a number such as 127.0.0.1.",
    )
