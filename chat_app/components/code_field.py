"""A code of the second factor."""

import reflex as rx

from chat_app.components.scripts import SCRIPTS


class _CodeField(rx.Component):
    """An input for the code of the moment that becomes one for a backup code."""

    library = SCRIPTS["code_field"]
    tag = "CodeField"

    field_id: rx.Var[str]
    described_by: rx.Var[str]
    offers_backup: rx.Var[bool]


def code_field(field_id: str, *, described_by: str, offers_backup: bool = True) -> rx.Component:
    """The field named `code`, with its label.

    Args:
        field_id: Its id.
        described_by: Ids of the elements that explain it.
        offers_backup: Whether a backup code may be used instead.
    """
    return _CodeField.create(
        field_id=field_id, described_by=described_by, offers_backup=offers_backup
    )
