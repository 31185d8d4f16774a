"""Where the program is reached, and who stands between it and its people."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings

from chat_app.settings.types import CommaList
from chat_app.settings.urls import host_of, is_ip_address, is_loopback, is_origin


class ServerSettings(BaseSettings):
    """Where it runs."""

    port: int = Field(3000, ge=1, le=65535, description="The port the page is served on.")
    host: str = Field("127.0.0.1", description="The address to listen on.")
    app_url: str = Field(
        "",
        description="Where people find the app, for example https://chat.example. "
        "Empty means http://localhost:PORT.",
    )
    app_origins: CommaList = Field(
        (),
        description="Further exact origins that may open the page or the socket, comma separated.",
    )
    trusted_proxy_hops: int = Field(
        0, ge=0, le=8, description="Reverse proxies in front whose X-Forwarded-For is believed."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="How much is logged. Content, tokens and cookies never are."
    )

    # Said by Reflex to its own processes, never by the operator: not in .env.example
    reflex_env_mode: Literal["", "dev", "preview", "prod"] = Field("", repr=False)
    reflex_frontend_port: int | None = Field(None, repr=False)
    reflex_backend_port: int | None = Field(None, repr=False)
    reflex_backend_host: str = Field("", repr=False)

    @field_validator("app_url")
    @classmethod
    def _is_origin(cls, value: str) -> str:
        value = value.rstrip("/").lower()
        if value and not is_origin(value):
            raise ValueError("must look like https://chat.example, without a path")
        return value

    @field_validator("app_origins")
    @classmethod
    def _are_origins(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        values = tuple(value.rstrip("/").lower() for value in values)
        for value in values:
            if not is_origin(value):
                raise ValueError(f"{value!r} is not an exact origin such as https://chat.example")
        return values

    @model_validator(mode="after")
    def _is_named_in_public(self) -> Self:
        if not self.is_loopback and not self.app_url:
            raise ValueError("APP_URL must be set when HOST is not a loopback address")
        if self.app_url.startswith("http://") and not self.is_named_loopback:
            raise ValueError("APP_URL must begin with https:// unless it is this machine")
        return self

    @model_validator(mode="after")
    def _listens_where_it_says(self) -> Self:
        # In development Reflex is told the loopback address whatever HOST says (rxconfig.py).
        told = (self.host, "127.0.0.1") if self.is_dev else (self.host,)
        if self.reflex_backend_host and self.reflex_backend_host not in told:
            raise ValueError("REFLEX_BACKEND_HOST (--backend-host) must be what HOST is")
        return self

    @model_validator(mode="after")
    def _develops_in_private(self) -> Self:
        if self.is_dev and not self.is_loopback:
            raise ValueError("HOST must be a loopback address in development")
        if self.is_dev and not self.is_named_loopback:
            raise ValueError("APP_URL must be this machine's, or empty, in development")
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the app."""
        return is_loopback(self.host)

    @property
    def is_named_loopback(self) -> bool:
        """Whether the address people type can only be this machine."""
        return is_loopback(host_of(self.app_url) or "localhost")

    @property
    def is_for_this_machine(self) -> bool:
        """Whether it neither listens to other machines nor has a name for their people."""
        return self.is_loopback and self.is_named_loopback

    @property
    def is_dev(self) -> bool:
        """Whether plain `reflex run` serves the page and the program on two ports."""
        return self.reflex_env_mode == "dev"

    @property
    def page_port(self) -> int:
        """The port the page is served on, also when Reflex was told another."""
        given = self.reflex_frontend_port
        return given or (not self.is_dev and self.reflex_backend_port) or self.port

    @property
    def api_port(self) -> int:
        """The port of the socket and the routes: the page's own, but not in development."""
        return self.reflex_backend_port or (8000 if self.is_dev else self.page_port)

    @property
    def url(self) -> str:
        """The origin people use, for example `http://localhost:3000`."""
        return self.app_url or f"http://localhost:{self.page_port}"

    @property
    def api_url(self) -> str:
        """The origin of the socket and the routes; another one only in development."""
        return f"http://localhost:{self.api_port}" if self.is_dev else self.url

    @property
    def has_passkeys(self) -> bool:
        """Whether browsers give passkeys to this site: it needs a name (WebAuthn §5.1.2)."""
        return not is_ip_address(host_of(self.url))

    @property
    def is_https(self) -> bool:
        """Whether people reach the app over TLS; cookies are Secure then."""
        return self.url.startswith("https://")

    @property
    def origins(self) -> frozenset[str]:
        """Every origin that may open the page or the socket. Never `*`."""
        return frozenset({self.url, self.api_url, *self.app_origins})
