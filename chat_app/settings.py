"""Every setting of the program: typed, documented, validated at start.

The environment decides first, then `.env`, then the default. `.env.example` is made from this
file (`python -m chat_app.settings > .env.example`).
"""

import ipaddress
import os
import re
import secrets
import sys
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_RATE = re.compile(r"^\d+/(\d+ )?(second|minute|hour|day)s?$")
_ORIGIN = re.compile(r"^https?://[a-z0-9.\-\[\]:]+$")

_AROUND_A_MESSAGE = 4096  # bytes of a frame that are not the text: its event and its ids

CommaList = Annotated[tuple[str, ...], NoDecode]


class ProviderSettings(BaseModel):
    """One OpenAI-compatible server.

    Args:
        name: A short name; models are listed as `name/model`.
        base_url: Where its API begins, for example `http://localhost:11434/v1`.
        api_key: Its key, if it wants one.
        models: The models to offer.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    base_url: str
    api_key: SecretStr = SecretStr("")
    models: tuple[str, ...] = Field(min_length=1)

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return _address_of_api(value)


class WrongSettings(Exception):
    """A setting is wrong; the text is one line that names it."""


class Settings(BaseSettings):
    """What the operator decided. Names in capitals are the environment's."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    # Where it runs
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
    data_dir: Path = Field(Path("data"), description="The folder that one process owns.")
    database_url: str = Field(
        "",
        description="Empty means SQLite in DATA_DIR; postgresql://user:password@host/name works.",
    )
    trusted_proxy_hops: int = Field(
        0, ge=0, le=8, description="Reverse proxies in front whose X-Forwarded-For is believed."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="How much is logged. Content, tokens and cookies never are."
    )

    # Signing in
    auth_secret: SecretStr = Field(
        SecretStr(""),
        description="At least 32 characters; keys for sockets and cookies are derived from it. "
        "Empty makes one and keeps it in DATA_DIR.",
    )
    sign_up: Literal["auto", "open", "closed"] = Field(
        "auto", description="Who may create an account; auto means open on loopback only."
    )
    password_min_length: int = Field(10, ge=8, le=128, description="Characters.")
    password_min_score: int = Field(2, ge=0, le=4, description="zxcvbn's score, 0 to 4.")
    session_idle_hours: int = Field(12, ge=1, description="A session unused this long ends.")
    session_max_hours: int = Field(24, ge=1, description="A session this old ends.")
    session_remember_idle_hours: int = Field(
        168, ge=1, description="The same for people who asked to stay signed in."
    )
    session_remember_max_hours: int = Field(720, ge=1, description="And its age.")
    sessions_per_user: int = Field(20, ge=1, description="One more ends the oldest.")
    limit_sign_in_pair: str = Field(
        "5/15 minutes", description="Failed sign-ins per account and address."
    )
    limit_sign_in_address: str = Field("100/hour", description="Failed sign-ins per address.")
    limit_sign_in_account: str = Field("100/hour", description="Failed sign-ins per account.")
    limit_sign_up_address: str = Field("20/hour", description="New accounts per address.")

    # What one client may send
    request_bytes: int = Field(
        4_000_000,
        ge=10_000,
        description="The largest HTTP request body taken; API clients send whole conversations.",
    )
    socket_events_per_second: float = Field(20, gt=0, description="Events a tab may send.")
    socket_event_burst: int = Field(60, ge=1, description="Events it may send at once.")
    socket_frame_bytes: int = Field(262_144, ge=4096, description="The largest frame taken.")
    sockets_per_session: int = Field(50, ge=1, description="Open tabs of one session.")
    sockets_per_address: int = Field(
        50,
        ge=1,
        description="Open anonymous tabs of one address; the server holds a whole frame of each "
        "in memory, up to 16 MB, before its size is checked.",
    )

    # Models
    openai_base_url: str = Field(
        "", description="An OpenAI-compatible server; empty means OpenAI's own."
    )
    openai_api_key: SecretStr = Field(SecretStr(""), description="Its key.")
    chat_models: CommaList = Field(
        (), description="The models of that server to offer, comma separated; the first is default."
    )
    chat_providers: tuple[ProviderSettings, ...] = Field(
        (),
        description='More servers, as JSON: [{"name":"ollama","base_url":"http://localhost:11434/v1",'
        '"models":["llama3.2"]}]',
    )
    chat_model: str = Field("", description="The default model; empty means the first listed.")
    embedded_model: bool = Field(
        True, description="Offer the small model that runs on this machine, when it is installed."
    )
    fake_models: bool = Field(
        False, description="Offer the deterministic models made for tests and benchmarks."
    )
    chat_system_prompt: str = Field(
        "You are a helpful assistant.", description="Said to the model before every conversation."
    )
    chat_titles: bool = Field(True, description="Let the model name new threads.")
    chat_context_chars: int = Field(
        24_000, ge=1_000, description="The most characters of history shown to a model."
    )
    chat_max_tokens: int = Field(2_048, ge=16, description="The longest answer, in tokens.")
    chat_first_token_seconds: float = Field(
        60, gt=0, description="How long a model may take to begin."
    )
    chat_idle_seconds: float = Field(30, gt=0, description="How long it may pause in mid-answer.")
    message_bytes: int = Field(100_000, ge=1_000, description="The longest message, in bytes.")
    runs_per_user: int = Field(4, ge=1, description="Answers one person may have running.")
    deleted_days: int = Field(30, ge=1, description="Days a deleted chat is kept.")

    # Said by Reflex to its own processes, never by the operator: not in .env.example
    reflex_env_mode: Literal["", "dev", "preview", "prod"] = Field("", repr=False)
    reflex_frontend_port: int | None = Field(None, repr=False)
    reflex_backend_port: int | None = Field(None, repr=False)

    @field_validator("app_origins", "chat_models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("app_url")
    @classmethod
    def _is_origin(cls, value: str) -> str:
        value = value.rstrip("/").lower()
        if value and not _ORIGIN.match(value):
            raise ValueError("must look like https://chat.example, without a path")
        return value

    @field_validator("app_origins")
    @classmethod
    def _are_origins(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        values = tuple(value.rstrip("/").lower() for value in values)
        for value in values:
            if not _ORIGIN.match(value):
                raise ValueError(f"{value!r} is not an exact origin such as https://chat.example")
        return values

    @field_validator(
        "limit_sign_in_pair",
        "limit_sign_in_address",
        "limit_sign_in_account",
        "limit_sign_up_address",
    )
    @classmethod
    def _is_rate(cls, value: str) -> str:
        if not _RATE.match(value):
            raise ValueError("must look like 5/15 minutes")
        return value

    @field_validator("database_url")
    @classmethod
    def _names_a_driver(cls, value: str) -> str:
        for prefix in ("postgres://", "postgresql://"):
            if value.startswith(prefix):
                value = "postgresql+psycopg://" + value.removeprefix(prefix)
        if value and not value.startswith(("postgresql+psycopg://", "sqlite+aiosqlite:///")):
            raise ValueError("must begin with postgresql:// (or be empty for SQLite)")
        if not _has_plain_port(value):
            raise ValueError(
                "must look like postgresql://user:password@host:5432/name, with / ? # @ and : in "
                "the password written as %2F %3F %23 %40 and %3A"
            )
        return value

    @field_validator("openai_base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return _address_of_api(value) if value else value

    @field_validator("auth_secret")
    @classmethod
    def _is_long(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> "Settings":
        if not self.is_loopback and not self.app_url:
            raise ValueError("APP_URL must be set when HOST is not a loopback address")
        if self.app_url.startswith("http://") and not _is_loopback(self._app_host):
            raise ValueError("APP_URL must begin with https:// unless it is this machine")
        if self.message_bytes * 2 + _AROUND_A_MESSAGE > self.socket_frame_bytes:
            raise ValueError(
                f"MESSAGE_BYTES may be {(self.socket_frame_bytes - _AROUND_A_MESSAGE) // 2} at "
                "most, or SOCKET_FRAME_BYTES must be larger: JSON may double a text"
            )
        if _host_of(self.openai_base_url) not in ("", "api.openai.com") and not self.chat_models:
            raise ValueError("CHAT_MODELS must name the models of OPENAI_BASE_URL")
        return self

    @property
    def _app_host(self) -> str:
        return urlsplit(self.app_url).hostname or "localhost"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the app."""
        return _is_loopback(self.host)

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
    def is_https(self) -> bool:
        """Whether people reach the app over TLS; cookies are Secure then."""
        return self.url.startswith("https://")

    @property
    def origins(self) -> frozenset[str]:
        """Every origin that may open the page or the socket. Never `*`."""
        return frozenset({self.url, self.api_url, *self.app_origins})

    @property
    def sign_up_is_open(self) -> bool:
        """Whether a stranger may create an account."""
        if self.sign_up == "auto":
            return self.is_loopback and _is_loopback(self._app_host)
        return self.sign_up == "open"

    @property
    def sqlite_path(self) -> Path | None:
        """The SQLite file, or None on another database."""
        if self.database_url.startswith("sqlite+aiosqlite:///"):
            return Path(self.database_url.removeprefix("sqlite+aiosqlite:///"))
        return None if self.database_url else self.data_dir / "chat.db"

    @property
    def sqlalchemy_url(self) -> str:
        """The URL the engine is made from."""
        path = self.sqlite_path
        return self.database_url if path is None else f"sqlite+aiosqlite:///{path}"

    @cached_property
    def secret(self) -> bytes:
        """The key other keys are derived from; made and kept in DATA_DIR when not set."""
        given = self.auth_secret.get_secret_value()
        return given.encode() if given else _kept_secret(self.data_dir / "secret")


def _host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def _has_plain_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:  # most often a password that is not written as a URL wants it
        return False


def _address_of_api(url: str) -> str:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fits = False
    if not fits or "@" in url or re.search(r"[\s?#]", url):
        raise ValueError("must look like https://host/v1, without a user, a query or a fragment")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _kept_secret(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes().strip()
    value = secrets.token_hex(32).encode()
    with os.fdopen(fd, "wb") as file:
        file.write(value)
    return value


def read_settings(**given: object) -> Settings:
    """Read the settings, or say in one line which one is wrong.

    Args:
        given: Values that win over the environment, by field name.

    Raises:
        WrongSettings: A value cannot be used; the message names the setting.
    """
    try:
        return Settings(**given)  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"][:1]).upper()
        says = first["msg"].removeprefix("Value error, ")
        raise WrongSettings(f"{name}: {says}" if name else says) from None
    except Exception as error:  # pydantic-settings wraps JSON errors in its own type
        raise WrongSettings(str(error).splitlines()[0]) from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once."""
    return read_settings()


def example() -> str:
    """The text of `.env.example`: every setting with its meaning and default."""
    lines = [
        "# Every setting, with its default. Copy to .env and change what you need.",
        "# Made by: python -m chat_app.settings > .env.example",
    ]
    for name, field in Settings.model_fields.items():
        if not field.description:
            continue
        default = field.default
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        if isinstance(default, tuple):
            default = ""
        if isinstance(default, bool):
            default = str(default).lower()
        lines += ["", f"# {field.description}", f"# {name.upper()}={default}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(example())
