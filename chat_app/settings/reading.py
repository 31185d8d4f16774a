"""How the settings are read: once in a process, and a wrong one is said in one line."""

import os
from functools import lru_cache

from pydantic import ValidationError

from chat_app.settings.composed import Settings
from chat_app.settings.overrules import overruled
from chat_app.settings.wrong import WrongSettings


def read_settings(**given: object) -> Settings:
    """Read the settings, or say in one line which one is wrong.

    Args:
        given: Values that win over the environment, by field name.

    Raises:
        WrongSettings: A value cannot be used; the message names the setting.
    """
    try:
        return Settings(**given)  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"][:1]).upper()
        says = first["msg"].removeprefix("Value error, ")
        raise WrongSettings(f"{name}: {says}" if name else says) from None
    except Exception as error:  # pydantic-settings wraps JSON errors in its own type
        raise WrongSettings(str(error).splitlines()[0]) from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        WrongSettings: A value cannot be used, or Reflex would not obey one.
    """
    if refused := overruled(os.environ):
        raise WrongSettings(refused)
    return read_settings()
