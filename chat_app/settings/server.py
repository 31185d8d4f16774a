"""Host, ports, public URL, origins, proxies, log level; the variables of Reflex that are refused.

Every `REFLEX_…` environment variable takes priority over what `rxconfig.py` configures, and two
others enable pages of Reflex's own. Those that decide who reaches what, or where state is stored,
are forbidden: the program has its own setting for each, or needs none.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from chat_app.settings.validation import (
    CommaList,
    Origin,
    SettingsGroup,
    Switch,
    host_of,
    is_ip_address,
    is_loopback,
    is_same_site,
)


class ServerSettings(SettingsGroup):
    """Server."""

    port: int = Field(3000, ge=1, le=65535)
    """The port to listen on."""

    host: str = "127.0.0.1"
    """The IP address to listen on."""

    app_url: Origin = ""
    """The public URL of the app, for example https://chat.example. Empty means
    http://localhost:PORT."""

    app_origins: CommaList[Origin] = ()
    """Further origins that may use the app (exact, no patterns), comma separated."""

    reflex_api_url: Origin = ""
    """The public URL of the server where another host has the pages, for example
    https://api.chat.example; APP_URL is theirs then, on the same site (docs/deployment.md). Empty
    means that both are one."""

    trusted_proxy_hops: int = Field(0, ge=0, le=8)
    """Number of reverse proxies in front whose X-Forwarded-For is trusted."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Log level. Content, tokens and cookies are never logged."""

    log_format: Literal["text", "json"] = "text"
    """A line of text or a line of JSON for each record."""

    access_log: Switch = "auto"
    """Log each request and each socket: on, off, or auto, which is off while only this machine can
    use the app."""

    examples_dir: str = ""
    """The folder whose built front ends are served below /examples/. Empty means none, and
    in development the folder examples."""

    # Set by Reflex for its own processes, not by the operator: not in .env.example
    reflex_env_mode: Literal["", "dev", "preview", "prod"] = Field("", repr=False)
    reflex_frontend_port: int | None = Field(None, repr=False)
    reflex_backend_port: int | None = Field(None, repr=False)
    reflex_backend_host: str = Field("", repr=False)
    reflex_deploy_url: Origin = Field("", repr=False)

    @model_validator(mode="after")
    def _host_and_url_agree(self) -> Self:
        if not self.is_loopback and not self._public_url:
            raise ValueError("APP_URL must be set when HOST is not a loopback address")
        if self._public_url.startswith("http://") and not self.has_loopback_url:
            raise ValueError("APP_URL must begin with https:// unless its host is this machine")
        # In development rxconfig.py gives Reflex the loopback address whatever HOST is.
        allowed = (self.host, "127.0.0.1") if self.is_dev else (self.host,)
        if self.reflex_backend_host and self.reflex_backend_host not in allowed:
            raise ValueError("REFLEX_BACKEND_HOST (--backend-host) must equal HOST")
        if self.is_dev and not self.is_loopback:
            raise ValueError("HOST must be a loopback address in development")
        if self.is_dev and not self.has_loopback_url:
            raise ValueError("APP_URL must be a loopback URL, or empty, in development")
        return self

    @model_validator(mode="after")
    def _pages_and_server_are_one_site(self) -> Self:
        if self.reflex_deploy_url and self.app_url not in ("", self.reflex_deploy_url):
            raise ValueError("REFLEX_DEPLOY_URL must equal APP_URL, or one of them be empty")
        if not self.reflex_api_url:
            return self
        if self.is_dev:
            raise ValueError("REFLEX_API_URL must be empty in development")
        if not self._public_url:
            raise ValueError("APP_URL must be set to the URL of the pages with REFLEX_API_URL")
        if not is_same_site(self.url, self.reflex_api_url):
            raise ValueError(
                f"REFLEX_API_URL ({self.reflex_api_url}) is on another site than APP_URL "
                f"({self.url}), so browsers would keep the session cookie from it: give both a "
                "host of one domain, such as https://chat.example.com and https://api.example.com"
            )
        return self

    @property
    def _public_url(self) -> str:
        """The configured URL of the pages; `reflex deploy` sets its own name for it."""
        return self.app_url or self.reflex_deploy_url

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the app."""
        return is_loopback(self.host)

    @property
    def has_loopback_url(self) -> bool:
        """Whether the host of APP_URL is this machine."""
        return is_loopback(host_of(self._public_url) or "localhost")

    @property
    def is_local_only(self) -> bool:
        """Whether the app neither listens to other machines nor has a public URL."""
        return self.is_loopback and self.has_loopback_url

    @property
    def logs_access(self) -> bool:
        """Whether there is an access log."""
        return self.access_log == "on" or (self.access_log == "auto" and not self.is_local_only)

    @property
    def is_dev(self) -> bool:
        """Whether `reflex run` serves page and backend on two ports (development)."""
        return self.reflex_env_mode == "dev"

    @property
    def examples(self) -> Path | None:
        """The folder of the front ends that are served below `/examples/`; None for none."""
        name = self.examples_dir or ("examples" if self.is_dev else "")
        return Path(name) if name else None

    @property
    def page_port(self) -> int:
        """The port of the page; a port that Reflex was started with takes priority."""
        return self.reflex_frontend_port or (
            (not self.is_dev and self.reflex_backend_port) or self.port
        )

    @property
    def api_port(self) -> int:
        """The port of the WebSocket and the API; differs from `page_port` in development only."""
        return self.reflex_backend_port or (8000 if self.is_dev else self.page_port)

    @property
    def url(self) -> str:
        """The public origin of the pages, for example `http://localhost:3000`."""
        return self._public_url or f"http://localhost:{self.page_port}"

    @property
    def api_url(self) -> str:
        """The origin of the WebSocket and the API; differs from `url` in development, and where
        another host has the pages."""
        if self.is_dev:
            return f"http://localhost:{self.api_port}"
        return self.reflex_api_url or self.url

    @property
    def api_origin(self) -> str:
        """The origin that pages put before the path of a route; empty where they share one."""
        return self.api_url if self.api_url != self.url else ""

    @property
    def has_pages(self) -> bool:
        """Whether this server has the pages too, as it always has outside a split."""
        return self.is_dev or not self.api_origin

    @property
    def page_origins(self) -> tuple[str, ...]:
        """Where pages may be opened, the first choice first; empty where the gateway sees that."""
        if not self.api_origin:
            return ()
        return (self.url, *sorted(self.origins - {self.url}))

    @property
    def has_passkeys(self) -> bool:
        """Whether passkeys work: the host must be a name, not an IP address (WebAuthn §5.1.2)."""
        return not is_ip_address(host_of(self.url))

    @property
    def is_https(self) -> bool:
        """Whether the public URL uses TLS; cookies are Secure then."""
        return self.url.startswith("https://")

    @property
    def origins(self) -> frozenset[str]:
        """All origins that may use the page, the API and the WebSocket. Never `*`."""
        return frozenset({self.url, self.api_url, *self.app_origins})


_ANY_VALUE = frozenset[str]()
_UNLESS_OFF = frozenset({"false", "0", "no", "n"})

FORBIDDEN: dict[str, tuple[str, frozenset[str]]] = {
    "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN": (
        "with it Reflex serves a page that redirects anywhere; unset it",
        _ANY_VALUE,
    ),
    "REFLEX_ADD_ALL_ROUTES_ENDPOINT": ("it lists all pages to everyone; unset it", _UNLESS_OFF),
    "REFLEX_BACKEND_PATH": ("the gateway expects the socket at /_event; unset it", _ANY_VALUE),
    "REFLEX_CORS_ALLOWED_ORIGINS": ("set APP_ORIGINS instead", _ANY_VALUE),
    "REFLEX_FRONTEND_PATH": ("the gateway expects the pages at /; unset it", _ANY_VALUE),
    "REFLEX_REDIS_URL": ("page state must stay in this process; unset it", _ANY_VALUE),
    "REFLEX_STATE_AUTO_SETTERS": ("clients could write any state variable; unset it", _UNLESS_OFF),
    "REFLEX_STATE_MANAGER_MODE": (
        "page state must not be written to files; unset it",
        frozenset({"memory"}),
    ),
    "REFLEX_TELEMETRY_ENABLED": ("the program sends no telemetry; unset it", _UNLESS_OFF),
    "REFLEX_TRANSPORT": (
        "the origin is checked for websocket only; unset it",
        frozenset({"websocket"}),
    ),
    "REFLEX_TRUSTED_PROXY_HOPS": ("set TRUSTED_PROXY_HOPS instead", _ANY_VALUE),
    "REFLEX_VITE_ALLOWED_HOSTS": ("the page would accept any host; unset it", _UNLESS_OFF),
    "REFLEX_WEB_WORKDIR": ("the page is built in .web; unset it", _ANY_VALUE),
}
"""Variable → why it is forbidden or what to set instead, and the values, in lower case, that are
allowed because they change nothing."""


def forbidden_variable(environment: Mapping[str, str]) -> str | None:
    """A one-line message about the first forbidden variable that is set, or None."""
    for name, (advice, allowed) in FORBIDDEN.items():
        value = environment.get(name, "").strip().lower()
        if value and value not in allowed:
            return f"{name}: {advice}"
    return None
