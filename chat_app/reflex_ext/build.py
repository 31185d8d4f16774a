"""The build of the pages: its folder, its environment variables, and the settings in it.

This module imports nothing of Reflex. The two variables that begin with an underscore are Reflex's
own: `reflex run --env prod` sets them for its worker process, and we set them because we start the
server ourselves.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from chat_app.settings import Settings, settings

FOLDER = Path(".web", "build", "client")
"""Where Reflex builds the pages, relative to the project's folder, where it runs."""

_SERVES_PAGES = "__REFLEX_MOUNT_FRONTEND_COMPILED_APP"

PRODUCTION = {"REFLEX_ENV_MODE": "prod", "REFLEX_CHECK_LATEST_VERSION": "false"}
"""For building and for serving."""
SERVING = {**PRODUCTION, _SERVES_PAGES: "true", "__REFLEX_SKIP_COMPILE": "true"}
"""For serving the built pages."""
COMMANDS = {
    "REFLEX_CHECK_LATEST_VERSION": "false",
    # Reflex would watch the whole folder and reload with every write to the database.
    "REFLEX_HOT_RELOAD_OVERRIDE_PATHS": "chat_app:assets",
}
"""For Reflex's own commands, unless the operator sets them."""


def set_defaults(variables: Mapping[str, str]) -> None:
    """Set variables that are not set yet."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def set_frame_bytes(size: int) -> None:
    """Set the largest frame that the handshake allows a page.

    Args:
        size: In bytes.
    """
    os.environ["REFLEX_SOCKET_MAX_HTTP_BUFFER_SIZE"] = str(size)


def page_folder() -> Path | None:
    """The folder of the built pages when this process serves them."""
    return FOLDER if os.environ.get(_SERVES_PAGES, "") else None


@dataclass(frozen=True)
class BakedSettings:
    """The settings that are written into the built pages; the names are those of `Settings`.

    Pages read no others, and a change of one of them makes the pages be built again. Everything
    else reaches a page from the server when it is loaded.
    """

    api_origin: str
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


def api_url(path: str) -> str:
    """The URL of an HTTP route, as a page has to name it.

    In production pages and routes share one origin; in development they are on two ports.

    Args:
        path: Begins with a slash.
    """
    return baked_settings().api_origin + path
