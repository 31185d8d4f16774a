"""The build of the pages: its folder, its environment variables, and the settings in it.

This module imports nothing of Reflex. The two variables that begin with an underscore are Reflex's
own: `reflex run --env prod` sets them for its worker process, and we set them because we start the
server ourselves.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from chat_app.reflex_ext.page_folders import CLIENT, WEB, PageFolders
from chat_app.settings import Settings, settings

_SERVES_PAGES = "__REFLEX_MOUNT_FRONTEND_COMPILED_APP"
_SKIPS_COMPILING = "__REFLEX_SKIP_COMPILE"
_WEB_FOLDER = "REFLEX_WEB_WORKDIR"

PRODUCTION = {"REFLEX_ENV_MODE": "prod", "REFLEX_CHECK_LATEST_VERSION": "false"}
"""For building and for serving."""
SERVING_ROUTES = {**PRODUCTION, _SKIPS_COMPILING: "true", "REFLEX_BACKEND_ONLY": "true"}
"""For serving routes and the socket, where another host has the pages."""
SERVING = {**PRODUCTION, _SERVES_PAGES: "true", _SKIPS_COMPILING: "true"}
"""For serving the built pages too."""
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


_served: Path | None = None


def serve_pages(folder: Path) -> None:
    """Set the folder of the pages that this process serves.

    Args:
        folder: From `PageFolders`.
    """
    global _served
    _served = folder


@contextlib.contextmanager
def served_pages() -> Iterator[Path | None]:
    """Let Reflex serve its pages from their own folder, while the block makes the app.

    Yields:
        The folder of the pages; None when this process does not serve them.
    """
    if not _is_on(_SERVES_PAGES):
        yield None
        return
    if not _is_on(_SKIPS_COMPILING):  # a preview, which builds while it serves
        yield WEB / CLIENT
        return
    folder = _served or _own_copy()
    os.environ[_WEB_FOLDER] = str(folder)
    try:
        yield folder / CLIENT
    finally:
        del os.environ[_WEB_FOLDER]


def _is_on(name: str) -> bool:
    return os.environ.get(name, "").lower() == "true"


def _own_copy() -> Path:
    """A copy of the pages that `reflex run` has just built."""
    folders, name = PageFolders(Path.cwd()), f"reflex-run-{secrets.token_hex(4)}"
    folders.add(name)
    folder = folders.hold(name)
    folders.remove_unused()
    return folder


@dataclass(frozen=True)
class BakedSettings:
    """The settings that are written into the built pages; the names are those of `Settings`.

    Pages read no others, and a change of one of them makes the pages be built again. Everything
    else reaches a page from the server when it is loaded.
    """

    api_origin: str
    page_origins: tuple[str, ...]
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

    In production pages and routes share one origin, unless another host has the pages; in
    development they are on two ports.

    Args:
        path: Begins with a slash.
    """
    return baked_settings().api_origin + path
