"""The settings of the program: typed, documented, validated at start.

Values come from the environment, then from `.env`, then from the defaults. Each group of settings
is a class; `.env.example` is generated from them
(`python -m chat_app.settings > .env.example`).
"""

import os
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal, Self

from pydantic import ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from chat_app.settings.database import DatabaseSettings
from chat_app.settings.identity_providers import IdentityProviderSettings, values_by_pattern
from chat_app.settings.limits import LimitSettings
from chat_app.settings.models import ModelSettings
from chat_app.settings.names import malformed_line, misspelt, unknown_name
from chat_app.settings.organisations import OrganisationSettings
from chat_app.settings.rate_limits import RateLimitSettings
from chat_app.settings.secret import SecretSettings, load_or_create_secret
from chat_app.settings.server import ServerSettings, forbidden_variable
from chat_app.settings.sessions import SessionSettings
from chat_app.settings.sign_in import MailSettings, SignInSettings
from chat_app.settings.validation import ConfigError, error_sentence


class Settings(
    ServerSettings,
    DatabaseSettings,
    ModelSettings,
    SecretSettings,
    SignInSettings,
    IdentityProviderSettings,
    SessionSettings,
    MailSettings,
    LimitSettings,
    RateLimitSettings,
    OrganisationSettings,
):
    """All settings. A field `message_bytes` is the environment variable `MESSAGE_BYTES`.

    The bases are the groups, in the order of `.env.example`.
    """

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources of values, highest priority first."""
        environment = (env_settings, dotenv_settings)
        if isinstance(dotenv_settings, DotEnvSettingsSource):
            file, names = dotenv_settings.env_file, map(str.upper, dotenv_settings.env_vars)
            malformed = malformed_line(Path(file)) if isinstance(file, str | Path) else None
            if message := malformed or unknown_name(names, setting_names()):
                raise ValueError(message)
        by_pattern = InitSettingsSource(settings_cls, values_by_pattern(*environment))
        return (init_settings, *environment, by_pattern, file_secret_settings)

    @model_validator(mode="after")
    def _groups_agree(self) -> Self:
        if self.fake_models and not self.is_local_only:
            raise ValueError("FAKE_MODELS must be false where other people can reach the app")
        if self.sign_up_verify == "required" and self.email_delivery == "none":
            raise ValueError("SIGN_UP_VERIFY=required needs a mail server: set SMTP_URL")
        return self

    @property
    def email_delivery(self) -> Literal["smtp", "log", "none"]:
        """How emails are delivered. The log is used on a local server only."""
        if self.smtp_url.get_secret_value():
            return "smtp"
        return "log" if self.is_local_only else "none"

    @property
    def sign_up_requires_verification(self) -> bool:
        """Whether an account is created only after its email is verified."""
        if self.sign_up_verify == "auto":
            return self.email_delivery == "smtp"
        return self.sign_up_verify == "required"

    @property
    def sign_up_is_open(self) -> bool:
        """Whether anyone may create an account."""
        if self.sign_up == "auto":
            return self.is_local_only
        return self.sign_up == "open"

    @cached_property
    def secret(self) -> bytes:
        """The key that all other keys are derived from: AUTH_SECRET, or the file in DATA_DIR.

        Raises:
            ConfigError: DATA_DIR or the key in it cannot be used.
        """
        configured = self.auth_secret.get_secret_value()
        return configured.encode() if configured else load_or_create_secret(self.data_dir)


_SECURITY_GROUPS = (
    *(SecretSettings, SignInSettings, SessionSettings, RateLimitSettings),
    OrganisationSettings,
)
_SECURITY_NAMES = {"TRUSTED_PROXY_HOPS"} | {
    name.upper() for group in _SECURITY_GROUPS for name in group.model_fields
}
"""Settings without which the server is less safe than its operator believes."""


@lru_cache(maxsize=1)
def setting_names() -> frozenset[str]:
    """The names of the operator's settings, but for the variables of identity providers."""
    fields = {
        name.upper()
        for name, field in Settings.model_fields.items()
        if field.description or not name.startswith("reflex_")
    }
    return frozenset((fields | IdentityProviderSettings.by_pattern.keys()) - {"IDENTITY_PROVIDERS"})


def misspelt_security_setting(environment: Mapping[str, str]) -> str | None:
    """A one-line message about a variable that is probably meant as a security setting, or None."""
    for name, setting in misspelt(environment, setting_names()):
        if setting in _SECURITY_NAMES:
            return f"{name} is not a setting; did you mean {setting}?"
    return None


def start_warnings(config: Settings, environment: Mapping[str, str]) -> Iterator[str]:
    """What an operator probably did not intend, in one line each; it does not stop the start.

    Args:
        config: The settings.
        environment: The process environment.
    """
    for name, setting in misspelt(environment, setting_names()):
        yield f"{name} is not a setting and has no effect; did you mean {setting}?"
    if config.has_one_role:
        yield (
            "PostgreSQL has one role for everything, so its own row-level security is off: set "
            "DATABASE_SYSTEM_URL and DATABASE_ADMIN_URL (docs/postgresql.md)."
        )
    if config.has_unserved_models:
        yield "CHAT_MODELS has no effect without OPENAI_API_KEY or OPENAI_BASE_URL."
    if config.is_https and config.is_loopback and not config.trusted_proxy_hops:
        yield (
            "TRUSTED_PROXY_HOPS is 0, but APP_URL is https: behind a proxy here, no client is "
            "told from another, and no limit per client works. Set it to the number of proxies."
        )
    if config.sign_up_is_open and not config.is_local_only and config.email_delivery != "smtp":
        yield (
            "SIGN_UP is open on a public address without a mail server: emails are not verified "
            "and passwords can't be reset. Set SMTP_URL, or SIGN_UP=closed."
        )


def read_settings(**overrides: object) -> Settings:
    """Read and validate the settings.

    Args:
        overrides: Values that take priority over the environment, by field name.

    Raises:
        ConfigError: A value is invalid; the message is one line that names the setting.
    """
    try:
        return Settings(**overrides)  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        raise ConfigError(error_sentence(error.errors()[0])) from None
    except UnicodeDecodeError:
        raise ConfigError(".env must be a text in UTF-8") from None
    except OSError as error:
        raise ConfigError(f".env cannot be read: {error.strerror}") from None
    except Exception as error:  # of an identity provider, or of the file .env
        raise ConfigError(str(error).splitlines()[0]) from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        ConfigError: A value is invalid, a name is misspelt, or Reflex would override a setting.
    """
    if message := forbidden_variable(os.environ) or misspelt_security_setting(os.environ):
        raise ConfigError(message)
    return read_settings()
