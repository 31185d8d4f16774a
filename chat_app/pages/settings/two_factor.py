"""`/settings/two-factor`: a code besides the password."""

import reflex as rx

from chat_app.components.account_form import account_form
from chat_app.components.second_factor import new_backup_codes, second_factor_set_up
from chat_app.components.skeleton import section_skeleton
from chat_app.pages.backend import backend
from chat_app.pages.settings.frame import section, settings_page
from chat_app.states.settings.two_factor import TwoFactorState


def two_factor() -> rx.Component:
    """The page."""
    return settings_page(
        "Two-factor",
        rx.cond(
            TwoFactorState.loaded,
            rx.cond(TwoFactorState.is_on, rx.fragment(_codes(), _off()), _on()),
            section_skeleton(),
        ),
    )


def _on() -> rx.Component:
    return section(
        "Ask for a code as well",
        second_factor_set_up(
            begin=backend("/api/account/totp"),
            confirm=backend("/api/account/totp/confirm"),
            on_done=TwoFactorState.load,
        ),
        lead="Whoever learns your password then still needs your phone: an authenticator app shows "
        "six digits that change every half minute. Passkeys need no code.",
    )


def _codes() -> rx.Component:
    return section(
        "Backup codes",
        new_backup_codes(action=backend("/api/account/backup-codes"), on_done=TwoFactorState.load),
        lead=rx.fragment(
            "The second factor is on. ",
            TwoFactorState.codes_left,
            " of your backup codes can still be used; new ones replace them all.",
        ),
    )


def _off() -> rx.Component:
    return section(
        "Turn it off",
        account_form(
            rx.el.button("Turn it off", type="submit", class_name="button danger-button"),
            action=backend("/api/account/totp"),
            method="DELETE",
            on_done=TwoFactorState.load,
        ),
        lead="Your backup codes and the browsers that are not asked are forgotten too.",
    )
