"""A title that is being changed, in its own place."""

from typing import Any

import reflex as rx

from chat_app.components.scripts import SCRIPTS


class _TitleField(rx.Component):
    """A form of one field: Enter or leaving keeps, Escape drops."""

    library = SCRIPTS["title_field"]
    tag = "TitleField"

    title: rx.Var[str]
    on_save: rx.EventHandler[rx.event.passthrough_event_spec(dict[str, str])]
    on_cancel: rx.EventHandler[rx.event.no_args_event_spec]


def title_field(title: rx.Var[str], *, on_save: Any, on_cancel: Any) -> rx.Component:
    """The field with the title in it, selected.

    Args:
        title: What it is called now.
        on_save: Called with `{"title": …}`.
        on_cancel: Called when nothing was changed.
    """
    return _TitleField.create(title=title, on_save=on_save, on_cancel=on_cancel)
