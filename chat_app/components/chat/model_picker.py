"""The choice of the model that answers next."""

from collections.abc import Sequence

import reflex as rx

from chat_app.components import script
from chat_app.components.ui.icons import icon
from chat_app.states.views import ModelItem


class ModelPicker(rx.Component):
    """A combobox of models, or the name of the only one.

    Args:
        children: The picture beside the name.
        models: The models to choose from.
        value: The id of the chosen one; one that is not among them is shown as it is.
        on_pick: Called with the id of another one.
    """

    library = script("chat/model_picker")
    tag = "ModelPicker"

    models: rx.Var[list[ModelItem]]
    value: rx.Var[str]
    on_pick: rx.EventHandler[rx.event.passthrough_event_spec(str)]


def model_picker(
    *, models: rx.Var[Sequence[ModelItem]], value: rx.Var[str], on_pick: object
) -> rx.Component:
    """The combobox; see `ModelPicker`."""
    return ModelPicker.create(icon("down"), models=models, value=value, on_pick=on_pick)
