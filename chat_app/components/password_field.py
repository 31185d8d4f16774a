"""A password that can be looked at while it is typed."""

import reflex as rx

from chat_app.components.scripts import SCRIPTS


class _PasswordField(rx.Component):
    """An input with a button that shows what was typed."""

    library = SCRIPTS["password_field"]
    tag = "PasswordField"

    field_id: rx.Var[str]
    auto_complete: rx.Var[str]
    described_by: rx.Var[str]


def password_field(field_id: str, *, auto_complete: str, described_by: str) -> rx.Component:
    """The field named `password`.

    Args:
        field_id: What its label points to.
        auto_complete: `current-password` or `new-password`.
        described_by: Ids of the elements that explain it.
    """
    return _PasswordField.create(
        field_id=field_id, auto_complete=auto_complete, described_by=described_by
    )
