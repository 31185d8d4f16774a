"""`/settings/security`: the user's login methods, and where they are signed in."""

import reflex as rx

from chat_app.auth.account.profile import NAME_MAX_LENGTH
from chat_app.components.auth.account import account_form
from chat_app.components.auth.fields import new_password_field, submit_button, text_field
from chat_app.components.auth.mfa import new_backup_codes, passkey_add, two_factor_set_up
from chat_app.pages.settings.sections import (
    Entry,
    action_row,
    disclosure,
    entry_list,
    section,
    when_loaded,
)
from chat_app.reflex_ext.build import api_url, baked_settings
from chat_app.states.account import (
    IdentityProviderItem,
    IdentityProvidersState,
    LinkedAccountsState,
    PasskeysState,
    PasswordState,
    SessionsState,
    TwoFactorState,
)
from chat_app.states.auth import AuthState

_PROBLEM = "password-problem"
_LINKED_ACCOUNTS = "/api/account/connections"
_PASSKEYS = "/api/account/passkeys"
_SESSIONS = "/api/account/sessions"


def security() -> rx.Component:
    """Each login method, then the sessions. A method that is not set up here is not shown."""
    return rx.fragment(password(), two_factor(), passkeys(), linked_accounts(), sessions())


def password() -> rx.Component:
    """Sets, changes or removes the password."""
    route, is_set = api_url("/api/account/password"), PasswordState.is_set
    return section(
        "Password",
        when_loaded(
            PasswordState,
            disclosure(
                rx.cond(is_set, "Change password", "Set a password"),
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
                    new_password_field("New password", described_by=_PROBLEM),
                    submit_button("Save password"),
                    action=route,
                    on_done=PasswordState.load,
                    problem_id=_PROBLEM,
                    done="Password saved. Your other sessions have been signed out.",
                ),
            ),
            rx.cond(
                is_set,
                action_row(
                    "You don't need a password if you sign in another way, such as with a passkey.",
                    submit_button("Remove password", class_name="small-button"),
                    action=route,
                    method="DELETE",
                    on_done=PasswordState.load,
                ),
            ),
        ),
        id="change-password",
        lead="After a change you stay signed in here; your other devices will be signed out.",
    )


def two_factor() -> rx.Component:
    """A code of an authenticator app besides the password, and backup codes."""
    return section(
        "Two-factor authentication",
        when_loaded(TwoFactorState, rx.cond(TwoFactorState.is_on, _two_factor_is_on(), _turn_on())),
        id="two-factor",
        lead="With it a stolen password is not enough: signing in also needs the six-digit code of "
        "an authenticator app on your phone. Passkeys need no code.",
    )


def _turn_on() -> rx.Component:
    return two_factor_set_up(
        begin=api_url("/api/account/totp"),
        confirm=api_url("/api/account/totp/confirm"),
        on_done=TwoFactorState.load,
    )


def _two_factor_is_on() -> rx.Component:
    return rx.fragment(
        rx.el.h3("Backup codes"),
        rx.el.p(
            "Two-factor authentication is on. Backup codes left: ",
            TwoFactorState.codes_left,
            ". New codes replace them all.",
            class_name="section-lead",
        ),
        new_backup_codes(action=api_url("/api/account/backup-codes"), on_done=TwoFactorState.load),
        action_row(
            "Turning it off removes your backup codes and trusted browsers too.",
            submit_button("Turn off", class_name="small-button danger"),
            action=api_url("/api/account/totp"),
            method="DELETE",
            on_done=TwoFactorState.load,
        ),
    )


def passkeys() -> rx.Component:
    """The user's passkeys, and a form that adds one."""
    is_available = baked_settings().has_passkeys
    shown = section(
        "Passkeys",
        entry_list(
            PasskeysState,
            "Remove",
            _PASSKEYS,
            if_empty="No passkeys yet.",
            more=_rename_passkey,
        ),
        _add_passkey() if is_available else rx.fragment(),
        id="passkeys",
        lead="Sign in with your fingerprint, your face or your device's PIN. "
        "A passkey works on no other site and can't be guessed or phished.",
    )
    # A site without a domain name has none, but may have had a name before.
    return shown if is_available else rx.cond(PasskeysState.items.length() > 0, shown)


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
    return passkey_add(
        text_field(
            "Name of a new passkey",
            "name",
            id="passkey-name",
            optional=True,
            placeholder="Phone, laptop, security key",
            max_length=NAME_MAX_LENGTH,
        ),
        submit_button("Add a passkey", class_name="small-button"),
        options=api_url(f"{_PASSKEYS}/options"),
        action=api_url(_PASSKEYS),
        on_done=PasskeysState.load,
    )


def linked_accounts() -> rx.Component:
    """The accounts at identity providers that sign in; nothing where there is no provider."""
    offered, linked = IdentityProvidersState.offered, LinkedAccountsState.items
    return rx.cond(
        (offered.length() > 0) | (linked.length() > 0),
        section(
            "Connected accounts",
            entry_list(
                LinkedAccountsState,
                "Disconnect",
                _LINKED_ACCOUNTS,
                if_empty="No connected accounts yet.",
            ),
            rx.el.div(rx.foreach(offered, _link_account), class_name="offers"),
            id="connections",
            lead="You can sign in with any of these, even if the email differs. "
            "To connect one you sign in there once and then come back here.",
        ),
    )


def _link_account(provider: rx.vars.ObjectVar[IdentityProviderItem]) -> rx.Component:
    return account_form(
        submit_button(f"Connect {provider.label}", class_name="small-button"),
        action=f"{api_url(_LINKED_ACCOUNTS)}/{provider.id}",
    )


def sessions() -> rx.Component:
    """Where the user is signed in, and signing out there."""
    return section(
        "Where you're signed in",
        entry_list(SessionsState, "Sign out", _SESSIONS),
        action_row(
            "Your other devices are signed out at once; running answers stop.",
            submit_button("Sign out other sessions", class_name="small-button"),
            action=api_url(f"{_SESSIONS}/revoke-others"),
            on_done=SessionsState.load,
            done="Only this session is left.",
        ),
        action_row(
            "Including this device: you'll have to sign in again.",
            submit_button("Sign out everywhere", class_name="small-button"),
            action=api_url(f"{_SESSIONS}/revoke-all"),
            ends_session=True,
        ),
        id="sessions",
    )
