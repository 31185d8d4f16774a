"""The configuration of Reflex. What an operator decides is in chat_app/settings.

Reflex reads this file twice: before and after it knows how it runs (`REFLEX_ENV_MODE`).
"""

import sys
from pathlib import Path
from typing import Any

import reflex as rx
from reflex.plugins import SitemapPlugin

from chat_app.reflex_ext.build import COMMANDS, set_defaults
from chat_app.reflex_ext.bundle import (
    AppConfig,
    PortablePages,
    SharedPage,
    keep_equal_lockfiles,
    leave_out,
)
from chat_app.reflex_ext.run import print_own_addresses, refused_run, take_configured_ports
from chat_app.settings import ConfigError, settings

settings.cache_clear()  # the second reading must see what Reflex has set since the first
try:
    here = settings()
except ConfigError as error:
    raise SystemExit(f"chat-app: {error}") from None
if refused := refused_run(is_dev=here.is_dev, has_pages=here.has_pages):
    raise SystemExit(f"chat-app: {refused}")

# Without a port Reflex would move to the next free one, and every Origin would be wrong.
ports: dict[str, Any] = {}
if here.is_dev:
    ports = {"frontend_port": here.page_port, "backend_port": here.api_port}
elif here.reflex_env_mode:
    ports = {"frontend_port": here.page_port, "backend_port": here.page_port}


def policy_of_page(page: Path, api_url: str) -> str:
    """The content security policy of a page that another host has."""
    from chat_app.gateway.headers import script_hashes, static_page_policy

    return static_page_policy(api_url, script_hashes(page))


bun = Path(sys.executable).parent / "bun"
set_defaults(COMMANDS)
keep_equal_lockfiles()
leave_out(here.private_paths)
take_configured_ports()
print_own_addresses(here.url, here.api_url, is_dev=here.is_dev)

config = AppConfig(
    app_name="chat_app",
    api_url=here.api_url,
    deploy_url=here.url,
    backend_host="127.0.0.1" if here.is_dev else here.host,
    cors_allowed_origins=sorted(here.origins),
    trusted_proxy_hops=here.trusted_proxy_hops,
    state_manager_mode=rx.constants.StateManagerMode.MEMORY,
    # A state lives as long as its socket (reflex_ext/event_namespace.py), however quiet it is.
    redis_token_expiration=here.session_remember_max_hours * 3600,
    transport="websocket",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    disable_plugins=[SitemapPlugin],
    plugins=[
        SharedPage("routes/[c].$[thread]._index", page_of="routes/_index"),
        PortablePages("routes/[c].$[thread]._index", policy_of_page),
    ],
    bun_path=bun if bun.exists() else rx.constants.Bun.DEFAULT_PATH,
    **ports,
)
