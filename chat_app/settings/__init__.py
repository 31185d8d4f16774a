"""Every setting of the program: typed, documented, validated at start.

The environment decides first, then `.env`, then the default. A group of settings has a file;
`.env.example` is made from them all (`python -m chat_app.settings > .env.example`).
"""

from chat_app.settings.base import Settings, read_settings, settings
from chat_app.settings.identity_providers import IdentityProvider
from chat_app.settings.models import ProviderSettings
from chat_app.settings.types import ConfigError

__all__ = [
    "ConfigError",
    "IdentityProvider",
    "ProviderSettings",
    "Settings",
    "read_settings",
    "settings",
]
