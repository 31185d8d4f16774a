"""`/settings/chat`: the color mode of this browser, and what new chats begin with."""

import reflex as rx

from chat_app.components.auth.account import theme_control
from chat_app.components.auth.fields import field, submit_button
from chat_app.components.chat.composer import model_picker
from chat_app.components.ui.feedback import notice
from chat_app.pages.settings.sections import form_section, section, when_loaded
from chat_app.reflex_ext.build import api_url
from chat_app.states.chat_defaults import ChatDefaultsState
from chat_app.states.model_views import EffortItem

_PROBLEM = "chat-defaults-problem"
_DEFAULT = "Model's default"


def chat() -> rx.Component:
    """How chats look, and the model and the options of new ones."""
    return rx.fragment(
        section(
            "Appearance",
            rx.el.div(theme_control(), class_name="theme"),
            lead="Light, dark, or as your system has it. This browser remembers it.",
        ),
        when_loaded(ChatDefaultsState, _model(), _options()),
    )


def _model() -> rx.Component:
    return section(
        "Model for new chats",
        rx.el.div(
            model_picker(
                models=ChatDefaultsState.models,
                value=ChatDefaultsState.model,
                on_pick=ChatDefaultsState.pick_model,
            ),
            class_name="settings-model",
        ),
        notice(ChatDefaultsState),
        lead="The last one that you chose, here or in a chat.",
    )


def _options() -> rx.Component:
    options, caps = ChatDefaultsState.options, ChatDefaultsState.caps
    return form_section(
        "Settings for new chats",
        rx.cond(
            caps.instructions.to(int) > 0,
            field(
                "Instructions",
                "instructions",
                rx.el.textarea(
                    id="instructions",
                    name="instructions",
                    class_name="field",
                    rows=5,
                    dir="auto",
                    max_length=caps.instructions,
                    default_value=options.instructions,
                    aria_describedby=f"instructions-hint {_PROBLEM}",
                ),
                rx.el.p(
                    "What the model should know, and how it should answer.",
                    id="instructions-hint",
                    class_name="hint",
                ),
            ),
        ),
        field(
            "Thinking effort",
            "effort",
            rx.el.select(
                rx.el.option(_DEFAULT, value=""),
                rx.foreach(caps.efforts, _effort),
                id="effort",
                name="effort",
                class_name="field",
                default_value=rx.cond(options.effort, options.effort, ""),
                aria_describedby="effort-hint",
            ),
            rx.el.p(
                "For models that can think. Others ignore it.", id="effort-hint", class_name="hint"
            ),
        ),
        field(
            "Temperature",
            "temperature",
            rx.el.input(
                id="temperature",
                name="temperature",
                class_name="field number",
                type="number",
                input_mode="decimal",
                min=0,
                max=caps.temperature,
                step="any",
                placeholder=_DEFAULT,
                default_value=rx.cond(options.temperature != None, options.temperature, ""),  # noqa: E711
                aria_describedby="temperature-hint",
            ),
            rx.el.p(
                "0 to ",
                caps.temperature,
                ". Low is predictable, high is varied.",
                id="temperature-hint",
                class_name="hint",
            ),
        ),
        submit_button("Save"),
        lead="Each chat can have its own, with the button beside its model.",
        action=api_url("/api/account/chat-defaults"),
        method="PATCH",
        problem_id=_PROBLEM,
        on_done=ChatDefaultsState.load,
        done="Saved.",
    )


def _effort(effort: rx.vars.ObjectVar[EffortItem]) -> rx.Component:
    return rx.el.option(effort.name, value=effort.value)
