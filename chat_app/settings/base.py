"""All settings together: what they must agree on, and what follows from them."""

import os
from functools import cached_property, lru_cache
from typing import Literal, Self

from pydantic import ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from chat_app.settings.database import DatabaseSettings
from chat_app.settings.forbidden_env import forbidden_variable
from chat_app.settings.identity_providers import IdentityProviderSource
from chat_app.settings.limits import LimitSettings
from chat_app.settings.mail import MailSettings
from chat_app.settings.models import ModelSettings
from chat_app.settings.secret import load_or_create_secret
from chat_app.settings.server import ServerSettings
from chat_app.settings.sign_in import SignInSettings
from chat_app.settings.types import ConfigError

GROUPS = (
    ServerSettings,
    DatabaseSettings,
    SignInSettings,
    MailSettings,
    LimitSettings,
    ModelSettings,
)
"""The settings by what they are about, in the order people read them."""

_AROUND_A_MESSAGE = 4096  # bytes of a frame that are not the text: its event and its ids


class Settings(
    ServerSettings, DatabaseSettings, SignInSettings, MailSettings, LimitSettings, ModelSettings
):
    """What the operator decided. Names in capitals are the environment's."""

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
        """Where values are looked for, the first that has one decides."""
        environment = (env_settings, dotenv_settings)
        by_pattern = IdentityProviderSource(settings_cls, *environment)
        return (init_settings, *environment, by_pattern, file_secret_settings)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.message_bytes * 2 + _AROUND_A_MESSAGE > self.socket_frame_bytes:
            raise ValueError(
                f"MESSAGE_BYTES may be {(self.socket_frame_bytes - _AROUND_A_MESSAGE) // 2} at "
                "most, or SOCKET_FRAME_BYTES must be larger: JSON may double a text"
            )
        if self.fake_models and not self.is_for_this_machine:
            raise ValueError("FAKE_MODELS must be false where other people can reach the app")
        if self.sign_up_verify == "required" and self.letters == "none":
            raise ValueError("SIGN_UP_VERIFY can be required only where SMTP_URL is set")
        return self

    @property
    def letters(self) -> Literal["mailed", "logged", "none"]:
        """What becomes of a letter. On a public server the log opens nobody's account."""
        if self.smtp_url.get_secret_value():
            return "mailed"
        return "logged" if self.is_for_this_machine else "none"

    @property
    def sign_up_needs_letter(self) -> bool:
        """Whether an account is made only once its address is confirmed."""
        if self.sign_up_verify == "auto":
            return self.letters == "mailed"
        return self.sign_up_verify == "required"

    @property
    def sign_up_is_open(self) -> bool:
        """Whether a stranger may create an account."""
        if self.sign_up == "auto":
            return self.is_for_this_machine
        return self.sign_up == "open"

    @cached_property
    def secret(self) -> bytes:
        """The key other keys are derived from; made and kept in DATA_DIR when not set.

        Raises:
            WrongSettings: The kept key cannot be used.
            OSError: DATA_DIR can be neither read nor written.
        """
        given = self.auth_secret.get_secret_value()
        return given.encode() if given else load_or_create_secret(self.data_dir / "secret")


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
        raise ConfigError(f"{name}: {says}" if name else says) from None
    except Exception as error:  # pydantic-settings wraps JSON errors in its own type
        raise ConfigError(str(error).splitlines()[0]) from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        WrongSettings: A value cannot be used, or Reflex would not obey one.
    """
    if refused := forbidden_variable(os.environ):
        raise ConfigError(refused)
    return read_settings()
