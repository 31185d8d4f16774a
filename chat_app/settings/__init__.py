"""Every setting of the program: typed, documented, validated at start.

The environment decides first, then `.env`, then the default. A group of settings has a file;
`.env.example` is made from them all (`python -m chat_app.settings > .env.example`).
"""

from chat_app.settings.composed import Settings
from chat_app.settings.models import ProviderSettings
from chat_app.settings.providers import SignInProvider
from chat_app.settings.reading import read_settings, settings
from chat_app.settings.wrong import WrongSettings

__all__ = [
    "ProviderSettings",
    "Settings",
    "SignInProvider",
    "WrongSettings",
    "read_settings",
    "settings",
]
