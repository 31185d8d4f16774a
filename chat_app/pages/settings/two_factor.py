"""`/settings/two-factor`: a code of an authenticator app besides the password, and backup codes."""

import reflex as rx

from chat_app.components.auth.account import account_form
from chat_app.components.auth.mfa import new_backup_codes, two_factor_set_up
from chat_app.components.ui.feedback import section_skeleton
from chat_app.pages.settings.layout import section, settings_page
from chat_app.reflex_ext.build import api_url
from chat_app.states.account import TwoFactorState


def two_factor() -> rx.Component:
    """The page."""
    return settings_page(
        "Two-factor",
        rx.cond(
            TwoFactorState.loaded,
            rx.cond(TwoFactorState.is_on, rx.fragment(_backup_codes(), _turn_off()), _turn_on()),
            section_skeleton(),
        ),
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


def _backup_codes() -> rx.Component:
    return section(
        "Backup codes",
        new_backup_codes(action=api_url("/api/account/backup-codes"), on_done=TwoFactorState.load),
        lead=rx.fragment(
            "Two-factor authentication is on. Backup codes left: ",
            TwoFactorState.codes_left,
            ". New codes replace them all.",
        ),
    )


def _turn_off() -> rx.Component:
    return section(
        "Turn off",
        account_form(
            rx.el.button("Turn off", type="submit", class_name="button danger-button"),
            action=api_url("/api/account/totp"),
            method="DELETE",
            on_done=TwoFactorState.load,
        ),
        lead="Your backup codes and trusted browsers are removed too.",
    )
