"""`/settings/password`, `/settings/connections`, `/settings/passkeys`: the user's login methods."""

import reflex as rx

from chat_app.auth.account.profile import NAME_MAX_LENGTH
from chat_app.components.auth.account import account_form
from chat_app.components.auth.fields import new_password_field, text_field
from chat_app.components.auth.mfa import passkey_add
from chat_app.components.ui.feedback import section_skeleton
from chat_app.pages.settings.layout import section, settings_page
from chat_app.reflex_ext.build import api_url, baked_settings
from chat_app.states.account import (
    ConnectionItem,
    ConnectionsState,
    PasskeyItem,
    PasskeysState,
    PasswordState,
    ProviderItem,
    ProvidersState,
)
from chat_app.states.auth import AuthState

_PROBLEM_ID = "password-problem"
_CONNECTIONS = "/api/account/connections/"
_PASSKEYS = "/api/account/passkeys"


def password() -> rx.Component:
    """The page that sets, changes or removes the password."""
    return settings_page(
        "Password",
        rx.cond(
            PasswordState.loaded,
            rx.fragment(_change_password(), rx.cond(PasswordState.is_set, _remove_password())),
            section_skeleton(),
        ),
    )


def _change_password() -> rx.Component:
    return section(
        "New password",
        account_form(
            # A password manager stores the new one under this name.
            rx.el.input(
                type="text",
                auto_complete="username",
                default_value=AuthState.user.email,
                read_only=True,
                tab_index=-1,
                class_name="sr-only",
                aria_hidden="true",
            ),
            new_password_field("New password", described_by=_PROBLEM_ID),
            rx.el.button(
                rx.cond(PasswordState.is_set, "Change password", "Set password"),
                type="submit",
                class_name="button",
            ),
            action=api_url("/api/account/password"),
            on_done=PasswordState.load,
            problem_id=_PROBLEM_ID,
            done="Password saved. Your other sessions have been signed out.",
        ),
        lead="You stay signed in here; your other devices will be signed out.",
    )


def _remove_password() -> rx.Component:
    return section(
        "Remove password",
        account_form(
            rx.el.button("Remove password", type="submit", class_name="small-button"),
            action=api_url("/api/account/password"),
            method="DELETE",
            on_done=PasswordState.load,
        ),
        lead="If you sign in another way, such as with a passkey or a connected account, you don't "
        "need one.",
    )


def connections() -> rx.Component:
    """The page with the accounts at identity providers that sign in."""
    has_some = ConnectionsState.items.length() > 0
    offered = ProvidersState.offered
    return settings_page(
        "Connections",
        section(
            "Connected accounts",
            rx.cond(
                ConnectionsState.loaded,
                rx.cond(
                    has_some,
                    rx.el.ul(rx.foreach(ConnectionsState.items, _connection), class_name="entries"),
                    rx.el.p("No connected accounts yet.", class_name="section-lead"),
                ),
                section_skeleton(),
            ),
            lead="You can sign in with any of these, even if the email differs.",
        ),
        rx.cond(
            offered.length() > 0,
            section(
                "Connect another account",
                rx.el.div(rx.foreach(offered, _provider), class_name="offers"),
                lead="You sign in there once and then come back here.",
            ),
        ),
    )


def _connection(item: rx.vars.ObjectVar[ConnectionItem]) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.strong(item.label),
            rx.el.span(item.account),
            rx.el.span(item.since),
            class_name="entry",
        ),
        account_form(
            rx.el.button(
                "Disconnect",
                rx.el.span(" ", item.label, " ", item.account, class_name="sr-only"),
                type="submit",
                class_name="small-button",
            ),
            action=f"{api_url(_CONNECTIONS)}{item.id}",
            method="DELETE",
            on_done=ConnectionsState.load,
        ),
        key=item.id,
    )


def _provider(provider: rx.vars.ObjectVar[ProviderItem]) -> rx.Component:
    return account_form(
        rx.el.button(f"Connect {provider.label}", type="submit", class_name="provider"),
        action=f"{api_url(_CONNECTIONS)}{provider.id}",
    )


def passkeys() -> rx.Component:
    """The page with the user's passkeys."""
    return settings_page(
        "Passkeys", _passkeys(), _add_passkey() if baked_settings().has_passkeys else _no_passkeys()
    )


def _passkeys() -> rx.Component:
    return section(
        "Your passkeys",
        rx.cond(
            PasskeysState.loaded,
            rx.cond(
                PasskeysState.items,
                rx.el.ul(rx.foreach(PasskeysState.items, _passkey), class_name="entries"),
                rx.el.p("No passkeys yet.", class_name="section-lead"),
            ),
            section_skeleton(),
        ),
        lead="Sign in with your fingerprint, your face or your device's PIN. "
        "A passkey works on no other site and can't be guessed or phished.",
    )


def _passkey(item: rx.vars.ObjectVar[PasskeyItem]) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.strong(
                item.name, rx.cond(item.is_synced, rx.el.span("Synced", class_name="tag"))
            ),
            rx.el.span(
                "added ",
                item.made,
                rx.cond(item.used, rx.fragment(" · last used ", item.used), " · not used yet"),
            ),
            rx.el.details(
                rx.el.summary("Rename", class_name="text-button start"), _rename_passkey(item)
            ),
            class_name="entry",
        ),
        account_form(
            rx.el.button(
                "Remove",
                rx.el.span(" ", item.name, class_name="sr-only"),
                type="submit",
                class_name="small-button",
            ),
            action=f"{api_url(_PASSKEYS)}/{item.id}",
            method="DELETE",
            on_done=PasskeysState.load,
        ),
        key=item.id,
    )


def _rename_passkey(item: rx.vars.ObjectVar[PasskeyItem]) -> rx.Component:
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
        action=f"{api_url(_PASSKEYS)}/{item.id}",
        method="PATCH",
        on_done=PasskeysState.load,
    )


def _add_passkey() -> rx.Component:
    return section(
        "Add a passkey",
        passkey_add(
            text_field(
                "Name",
                "name",
                id="passkey-name",
                optional=True,
                placeholder="Phone, laptop, security key",
                max_length=NAME_MAX_LENGTH,
            ),
            rx.el.button("Add a passkey", type="submit", class_name="button"),
            options=api_url(f"{_PASSKEYS}/options"),
            action=api_url(_PASSKEYS),
            on_done=PasskeysState.load,
        ),
    )


def _no_passkeys() -> rx.Component:
    return section(
        "Not available here",
        lead="Passkeys need a site with a domain name, not an IP address such as 127.0.0.1.",
    )
