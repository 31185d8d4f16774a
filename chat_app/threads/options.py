"""What a user chooses for the answers of a thread: instructions, temperature, thinking effort.

A thread has its own choices; a new chat begins with those of its user. The operator's caps are
checked when a choice is made and hold again at every call, because they may have changed since.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from chat_app.core.errors import InvalidInput
from chat_app.core.text import repair_surrogates
from chat_app.llm.base import EFFORTS, CallOptions, Effort, ModelInfo, nearest_effort
from chat_app.settings import Settings

EFFORT_NAMES: Mapping[Effort, str] = {
    "none": "Off",
    "minimal": "Minimal",
    "low": "Low",
    "medium": "Medium",
    "high": "High",
    "xhigh": "Very high",
    "max": "Maximum",
}
"""The thinking efforts as users read them."""


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """The choices for a thread or for new chats; what is not chosen is left to the model.

    Args:
        instructions: What the system prompt is followed by.
        temperature: 0 to 2; a higher one varies more.
        effort: The thinking effort.
    """

    instructions: str = ""
    temperature: float | None = None
    effort: Effort | None = None

    @classmethod
    def of_row(cls, stored: Mapping[str, Any]) -> "ChatOptions":
        """The choices in a row; those of a later version are left out."""
        effort = stored.get("effort")
        return cls(
            instructions=stored.get("instructions", ""),
            temperature=stored.get("temperature"),
            effort=effort if effort in EFFORTS else None,
        )

    @property
    def row(self) -> dict[str, Any]:
        """What a row stores: only what is chosen."""
        return {name: value for name, value in asdict(self).items() if value not in ("", None)}


NO_OPTIONS = ChatOptions()
"""Nothing is chosen."""


def changed_options(
    stored: Mapping[str, Any], change: Mapping[str, Any], settings: Settings
) -> ChatOptions:
    """The choices of a row after a change of some of them.

    Args:
        stored: What the row has.
        change: The fields of `ChatOptions` that are chosen anew.
        settings: The operator's caps.

    Raises:
        InvalidInput: A new choice is beyond its cap.
    """
    options = replace(ChatOptions.of_row(stored), **change)
    instructions = repair_surrogates(options.instructions).strip()
    most = settings.instructions_limit
    if "instructions" in change and len(instructions) > most:
        raise InvalidInput(
            f"Instructions can have at most {most:,} characters."
            if most
            else "Instructions are turned off on this server."
        )
    if "temperature" in change and options.temperature is not None:
        highest = settings.chat_max_temperature
        if not (math.isfinite(options.temperature) and 0 <= options.temperature <= highest):
            raise InvalidInput(f"The temperature can be 0 to {highest:g}.")
    if "effort" in change and options.effort not in (None, *allowed_efforts(EFFORTS, settings)):
        highest_effort = EFFORT_NAMES[settings.chat_max_effort]
        raise InvalidInput(f"The thinking effort can be at most {highest_effort}.")
    return replace(options, instructions=instructions)


def cap_options(options: ChatOptions, settings: Settings) -> ChatOptions:
    """The choices as far as the operator's caps of today allow them."""
    if options == NO_OPTIONS:
        return options
    temperature, effort = options.temperature, options.effort
    return ChatOptions(
        instructions=options.instructions[: settings.instructions_limit],
        temperature=None
        if temperature is None
        else min(temperature, settings.chat_max_temperature),
        effort=None
        if effort is None
        else nearest_effort(effort, allowed_efforts(EFFORTS, settings)),
    )


def allowed_efforts(efforts: Sequence[Effort], settings: Settings) -> tuple[Effort, ...]:
    """Those of the efforts that a user may choose, the least first."""
    highest = EFFORTS.index(settings.chat_max_effort)
    return tuple(effort for effort in EFFORTS[: highest + 1] if effort in efforts)


def call_options(options: ChatOptions, model: ModelInfo, settings: Settings) -> CallOptions:
    """The options of a call: what the model can take of the choices, within the caps.

    An effort that the model does not have becomes the next lower one that it has, or its lowest.

    Args:
        options: The choices.
        model: What the model can.
        settings: The operator's caps.
    """
    most = settings.chat_max_tokens
    if options == NO_OPTIONS:
        return CallOptions(max_tokens=most)
    options = cap_options(options, settings)
    efforts = allowed_efforts(model.efforts, settings)
    return CallOptions(
        max_tokens=most,
        temperature=options.temperature if model.temperature else None,
        effort=None if options.effort is None else nearest_effort(options.effort, efforts),
    )


def system_prompt(options: ChatOptions, settings: Settings) -> str:
    """The operator's system prompt, then the user's instructions; empty for neither."""
    instructions = cap_options(options, settings).instructions
    return "\n\n".join(filter(None, (settings.chat_system_prompt, instructions)))
