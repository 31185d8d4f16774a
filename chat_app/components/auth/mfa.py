"""Passkeys and two-factor authentication (MFA): signing in, step-up, set-up, backup codes."""

import reflex as rx

from chat_app.components import script
from chat_app.components.auth.sign_in import ErrorCodeComponent


class WebAuthnComponent(rx.Component):
    """What runs a WebAuthn ceremony.

    Args:
        options: The route that makes the options of the ceremony.
        action: The route that verifies the credential.
    """

    library = script("auth/passkeys")

    options: rx.Var[str]
    action: rx.Var[str]


class PasskeySignIn(WebAuthnComponent, ErrorCodeComponent):
    """A button, around its label, that signs in with a passkey, without a user name."""

    tag = "PasskeySignIn"


class PasskeyConfirm(WebAuthnComponent):
    """A button, around its label, by which a user proves again who they are (step-up).

    The response of `action` names the next page.
    """

    tag = "PasskeyConfirm"


class PasskeyAdd(WebAuthnComponent):
    """A form that registers a passkey, around its field `name` and its button.

    Args:
        on_done: The event that follows.
    """

    tag = "PasskeyAdd"

    on_done: rx.EventHandler[rx.event.no_args_event_spec]


class TwoFactorSetUp(rx.Component):
    """The steps from nothing to ten backup codes.

    Args:
        begin: The route that makes a secret.
        confirm: The route that takes the first code.
        on_done: The event that follows.
    """

    library = script("auth/two_factor")
    tag = "TwoFactorSetUp"

    begin: rx.Var[str]
    confirm: rx.Var[str]
    on_done: rx.EventHandler[rx.event.no_args_event_spec]


class NewBackupCodes(rx.Component):
    """A button that makes ten new backup codes and shows them.

    Args:
        action: The route that makes them.
        on_done: The event that follows.
    """

    library = script("auth/two_factor")
    tag = "NewBackupCodes"

    action: rx.Var[str]
    on_done: rx.EventHandler[rx.event.no_args_event_spec]


passkey_sign_in = PasskeySignIn.create
passkey_confirm = PasskeyConfirm.create
passkey_add = PasskeyAdd.create
two_factor_set_up = TwoFactorSetUp.create
new_backup_codes = NewBackupCodes.create
