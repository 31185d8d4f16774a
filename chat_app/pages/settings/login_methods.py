"""The pages of the user's login methods: password, linked accounts, passkeys and two-factor.

The path and the title of the linked accounts' page say connections.
"""

import reflex as rx

from chat_app.auth.account.profile import NAME_MAX_LENGTH
from chat_app.components.auth.account import account_form
from chat_app.components.auth.fields import new_password_field, submit_button, text_field
from chat_app.components.auth.mfa import new_backup_codes, passkey_add, two_factor_set_up
from chat_app.pages.settings.sections import Entry, entry_list, form_section, section, when_loaded
from chat_app.reflex_ext.build import api_url, baked_settings
from chat_app.states.account import (
    IdentityProviderItem,
    IdentityProvidersState,
    LinkedAccountsState,
    PasskeysState,
    PasswordState,
    TwoFactorState,
)
from chat_app.states.auth import AuthState

_PROBLEM = "password-problem"
_LINKED_ACCOUNTS = "/api/account/connections"
_PASSKEYS = "/api/account/passkeys"


def password() -> rx.Component:
    """Sets, changes or removes the password."""
    return when_loaded(
        PasswordState,
        form_section(
            "New password",
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
            new_password_field("New password", described_by=_PROBLEM),
            submit_button(rx.cond(PasswordState.is_set, "Change password", "Set password")),
            lead="You stay signed in here; your other devices will be signed out.",
            action=api_url("/api/account/password"),
            on_done=PasswordState.load,
            problem_id=_PROBLEM,
            done="Password saved. Your other sessions have been signed out.",
        ),
        rx.cond(
            PasswordState.is_set,
            form_section(
                "Remove password",
                submit_button("Remove password", class_name="small-button"),
                lead="If you sign in another way, such as with a passkey or a connected account, "
                "you don't need one.",
                action=api_url("/api/account/password"),
                method="DELETE",
                on_done=PasswordState.load,
            ),
        ),
    )


def linked_accounts() -> rx.Component:
    """The accounts at identity providers that sign in."""
    offered = IdentityProvidersState.offered
    return rx.fragment(
        section(
            "Connected accounts",
            entry_list(
                LinkedAccountsState,
                "Disconnect",
                _LINKED_ACCOUNTS,
                if_empty="No connected accounts yet.",
            ),
            lead="You can sign in with any of these, even if the email differs.",
        ),
        rx.cond(
            offered.length() > 0,
            section(
                "Connect another account",
                rx.el.div(rx.foreach(offered, _link_account), class_name="offers"),
                lead="You sign in there once and then come back here.",
            ),
        ),
    )


def _link_account(provider: rx.vars.ObjectVar[IdentityProviderItem]) -> rx.Component:
    return account_form(
        submit_button(f"Connect {provider.label}", class_name="provider"),
        action=f"{api_url(_LINKED_ACCOUNTS)}/{provider.id}",
    )


def passkeys() -> rx.Component:
    """The user's passkeys, and a form that adds one."""
    return rx.fragment(
        section(
            "Your passkeys",
            entry_list(
                PasskeysState,
                "Remove",
                _PASSKEYS,
                if_empty="No passkeys yet.",
                more=_rename_passkey,
            ),
            lead="Sign in with your fingerprint, your face or your device's PIN. "
            "A passkey works on no other site and can't be guessed or phished.",
        ),
        _add_passkey() if baked_settings().has_passkeys else _no_passkeys(),
    )


def _rename_passkey(entry: Entry) -> rx.Component:
    return rx.el.details(
        rx.el.summary("Rename", class_name="text-button start"),
        account_form(
            rx.el.input(
                name="name",
                default_value=entry.title,
                class_name="field small",
                max_length=NAME_MAX_LENGTH,
                aria_label="New name",
                required=True,
            ),
            submit_button("Save", class_name="small-button"),
            action=f"{api_url(_PASSKEYS)}/{entry.id}",
            method="PATCH",
            on_done=PasskeysState.load,
        ),
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
            submit_button("Add a passkey"),
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


def two_factor() -> rx.Component:
    """A code of an authenticator app besides the password, and backup codes."""
    return when_loaded(
        TwoFactorState, rx.cond(TwoFactorState.is_on, _two_factor_is_on(), _turn_on())
    )


def _turn_on() -> rx.Component:
    return section(
        "Two-factor authentication",
        two_factor_set_up(
            begin=api_url("/api/account/totp"),
            confirm=api_url("/api/account/totp/confirm"),
            on_done=TwoFactorState.load,
        ),
        lead="A stolen password is then not enough: signing in also needs the six-digit code of an "
        "authenticator app on your phone. Passkeys need no code.",
    )


def _two_factor_is_on() -> rx.Component:
    return rx.fragment(
        section(
            "Backup codes",
            new_backup_codes(
                action=api_url("/api/account/backup-codes"), on_done=TwoFactorState.load
            ),
            lead=rx.fragment(
                "Two-factor authentication is on. Backup codes left: ",
                TwoFactorState.codes_left,
                ". New codes replace them all.",
            ),
        ),
        form_section(
            "Turn off",
            submit_button("Turn off", class_name="button danger-button"),
            lead="Your backup codes and trusted browsers are removed too.",
            action=api_url("/api/account/totp"),
            method="DELETE",
            on_done=TwoFactorState.load,
        ),
    )
