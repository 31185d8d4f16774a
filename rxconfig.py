"""What Reflex is told; everything an operator decides is in chat_app/settings.

Reflex reads this file twice: before and after it knows how it runs (`REFLEX_ENV_MODE`).
"""

import functools
import inspect
import os
import sys
from pathlib import Path
from typing import Any

import reflex as rx
from reflex.plugins import Plugin, SitemapPlugin
from reflex.utils import frontend_skeleton

from chat_app.server.frontend import is_same_json, preload_route, use_page_origin
from chat_app.settings import ConfigError, settings

settings.cache_clear()  # the second reading must see what Reflex has decided since the first
try:
    here = settings()
except ConfigError as wrong:
    raise SystemExit(f"chat-app: {wrong}") from None


class OnePort(Plugin):
    """Makes the built page work on every port and address it is served from, and soon."""

    def post_build(self, **context: Any) -> None:
        """Let the scripts use the page's own origin, and a chat's address load all of them."""
        use_page_origin(context["static_dir"], rx.config.get_config().api_url)
        preload_route(context["static_dir"], "routes/[c].$[thread]._index")


keep = inspect.unwrap(frontend_skeleton.sync_web_lockfile_to_root)


@functools.wraps(keep)
def keep_what_is_new(filename: str) -> None:
    """Reflex and bun lay the list of packages out differently, and each would write its own."""
    built = frontend_skeleton.get_web_lockfile_path(filename)
    if not is_same_json(built, frontend_skeleton.get_root_lockfile_path(filename)):
        keep(filename)


frontend_skeleton.sync_web_lockfile_to_root = keep_what_is_new

# A port that is named is kept: Reflex would move to the next free one, and every Origin be wrong.
ports: dict[str, Any] = {}
if here.is_dev:
    ports = {"frontend_port": here.page_port, "backend_port": here.api_port}
elif here.reflex_env_mode:
    ports = {"frontend_port": here.page_port, "backend_port": here.page_port}
bun = Path(sys.executable).parent / "bun"
os.environ.setdefault("REFLEX_CHECK_LATEST_VERSION", "false")
# Reflex would watch the whole folder, and begin anew with every write to the database.
os.environ.setdefault("REFLEX_HOT_RELOAD_OVERRIDE_PATHS", "chat_app:assets")

config = rx.Config(
    app_name="chat_app",
    api_url=here.api_url,
    deploy_url=here.url,
    backend_host="127.0.0.1" if here.is_dev else here.host,
    cors_allowed_origins=sorted(here.origins),
    trusted_proxy_hops=here.trusted_proxy_hops,
    state_manager_mode=rx.constants.StateManagerMode.MEMORY,
    # A state lives as long as its socket (states/socket.py), however quiet its reader is.
    redis_token_expiration=here.session_remember_max_hours * 3600,
    transport="websocket",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    disable_plugins=[SitemapPlugin],
    plugins=[OnePort()],
    bun_path=bun if bun.exists() else rx.constants.Bun.DEFAULT_PATH,
    **ports,
)
