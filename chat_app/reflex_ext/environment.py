"""Environment variables that Reflex reads. This module imports nothing of Reflex.

The two that begin with an underscore are Reflex's own: `reflex run --env prod` sets them for its
worker process, and we set them because we start the server ourselves.
"""

import os
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(".web", "build", "client")
"""Where Reflex builds the pages, relative to the project's folder, where it runs."""

_SERVES_PAGES = "__REFLEX_MOUNT_FRONTEND_COMPILED_APP"
_SKIP_COMPILE = "__REFLEX_SKIP_COMPILE"
_FRAME_BYTES = "REFLEX_SOCKET_MAX_HTTP_BUFFER_SIZE"

PRODUCTION = {
    "REFLEX_ENV_MODE": "prod",
    "REFLEX_CHECK_LATEST_VERSION": "false",
}
"""For building and for serving."""
SERVING = {
    **PRODUCTION,
    _SERVES_PAGES: "true",
    _SKIP_COMPILE: "true",
}
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
    os.environ[_FRAME_BYTES] = str(size)


def page_folder() -> Path | None:
    """The folder of the built pages when this process serves them."""
    return FOLDER if os.environ.get(_SERVES_PAGES, "") else None
