"""The settings that are written into the built pages. Pages read no others.

A change of one of them makes the pages be built again (chat_app/server/frontend.py). Everything
else reaches a page from the server when it is loaded.
"""

from dataclasses import dataclass, fields
from typing import Self

from chat_app.settings import Settings, settings


@dataclass(frozen=True)
class BakedSettings:
    """What pages show of the settings; the names are those of `Settings`."""

    password_min_length: int
    message_bytes: int
    remember_device_days: int
    has_passkeys: bool

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take them from the settings of an installation."""
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})


def baked_settings() -> BakedSettings:
    """Those of this process, for pages, which Reflex makes without arguments."""
    return BakedSettings.of(settings())
