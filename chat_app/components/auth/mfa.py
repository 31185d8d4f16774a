"""Passkeys and two-factor authentication (MFA): signing in, step-up, set-up, backup codes."""

import reflex as rx

from chat_app.components import script


class PasskeySignIn(rx.Component):
    """A button that signs in with a passkey, without a user name.

    Args:
        children: Its label.
        options: The route that makes the options of the WebAuthn ceremony.
        action: The route that verifies the credential.
        messages: The message of each `?error=` code.
    """

    library = script("auth/passkeys")
    tag = "PasskeySignIn"

    options: rx.Var[str]
    action: rx.Var[str]
    messages: rx.Var[dict[str, str]]


class PasskeyConfirm(rx.Component):
    """A button by which a signed-in user proves again who they are (step-up).

    Args:
        children: Its label.
        options: The route that makes the options of the WebAuthn ceremony.
        action: The route that verifies the credential; its response names the next page.
    """

    library = script("auth/passkeys")
    tag = "PasskeyConfirm"

    options: rx.Var[str]
    action: rx.Var[str]


class PasskeyAdd(rx.Component):
    """A form that registers a passkey.

    Args:
        children: Its field `name` and its button.
        options: The route that makes the options of the WebAuthn ceremony.
        action: The route that stores the passkey.
        on_done: The event that follows.
    """

    library = script("auth/passkeys")
    tag = "PasskeyAdd"

    options: rx.Var[str]
    action: rx.Var[str]
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
