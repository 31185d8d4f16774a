"""The models, and the options of their answers, as pages show them. Pure."""

import math
from dataclasses import dataclass, field
from decimal import Decimal

from chat_app.core.errors import message_of
from chat_app.llm.base import EFFORTS, Model, ModelInfo
from chat_app.llm.health import ModelHealth
from chat_app.llm.prices import Price
from chat_app.settings import Settings
from chat_app.threads.options import EFFORT_NAMES, ChatOptions, allowed_efforts

_HEALTHY = ModelHealth()


@dataclass(frozen=True)
class ModelItem:
    """A model that the user can choose.

    Args:
        about: What it can, in a few words.
        price: What it costs; empty if that is not known.
        problem: Why it may not answer now; empty if there is nothing to say.
        efforts: The thinking efforts to choose from; none if it can't be steered.
        temperature: Whether a temperature can be chosen.
    """

    id: str
    name: str
    about: str = ""
    price: str = ""
    problem: str = ""
    efforts: list[str] = field(default_factory=list)
    temperature: bool = True


@dataclass(frozen=True)
class OptionsItem:
    """What is chosen for the answers of a chat; null leaves it to the model."""

    instructions: str = ""
    temperature: float | None = None
    effort: str | None = None


@dataclass(frozen=True)
class EffortItem:
    """A thinking effort to choose."""

    value: str
    name: str


@dataclass(frozen=True)
class CapsItem:
    """What a user can choose at most.

    Args:
        instructions: The length of instructions, in characters; 0 if there are none.
        temperature: The highest temperature.
        efforts: The thinking efforts, the least first.
    """

    instructions: int = 0
    temperature: float = 0
    efforts: list[EffortItem] = field(default_factory=list)


def model_item(
    model: Model,
    settings: Settings,
    price: Price | None = None,
    window: int | None = None,
    health: ModelHealth = _HEALTHY,
) -> ModelItem:
    """A model in the list to choose from.

    Args:
        model: The model.
        settings: The operator's caps.
        price: What it costs, if that is known.
        window: How many tokens it takes, if another table than its own says it.
        health: How its last calls went.
    """
    info = model.info
    return ModelItem(
        model.id,
        model.name,
        about=" · ".join(_abilities(info, info.window or window)),
        price="" if price is None else _price(price),
        problem="" if health.state == "closed" else _problem(health),
        efforts=list(allowed_efforts(info.efforts, settings)),
        temperature=info.temperature,
    )


def options_item(options: ChatOptions) -> OptionsItem:
    """The choices of a chat."""
    return OptionsItem(options.instructions, options.temperature, options.effort)


def caps_item(settings: Settings) -> CapsItem:
    """The operator's caps."""
    efforts = allowed_efforts(EFFORTS, settings)
    return CapsItem(
        settings.instructions_limit,
        settings.chat_max_temperature,
        [EffortItem(effort, EFFORT_NAMES[effort]) for effort in efforts],
    )


def _abilities(info: ModelInfo, window: int | None) -> list[str]:
    able = {"Images": info.images, "Tools": info.tools, "Thinking": info.thinking}
    size = [] if window is None else [f"{token_count(window)} context"]
    return [*size, *(name for name, can in able.items() if can)]


def _problem(health: ModelHealth) -> str:
    """Why the last call failed; a pause that the provider asked for has begun then."""
    params = dict(health.params)
    if "retry_after" in params:
        params["retry_after"] = math.ceil(health.seconds)
    return message_of(health.error, params)


def _price(price: Price) -> str:
    if not price.input and not price.output:
        return "Free"
    return f"{_dollars(price.input)} in, {_dollars(price.output)} out per 1M tokens"


def _dollars(amount: Decimal) -> str:
    """An amount with as many digits as prices have: `$3`, `$0.25`, `$0.075`."""
    digits = f"{amount:.3f}".rstrip("0").rstrip(".")
    cents = digits.partition(".")[2]
    return f"${digits}0" if len(cents) == 1 else f"${digits}"


def token_count(count: int) -> str:
    """A number of tokens as lists of models write it: `8.2k`, `128k`, `1M`."""
    size, unit = (1_000_000, "M") if count >= 999_500 else (1_000, "k")
    if count < 1_000:
        return str(count)
    digits = 1 if count < 10 * size else 0
    return f"{count / size:.{digits}f}".removesuffix(".0") + unit
