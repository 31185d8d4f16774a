"""Where settings come from that are not simply a field's name in capitals."""

from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from chat_app.settings.providers import sign_in_providers


class SignInSource(PydanticBaseSettingsSource):
    """Reads the sign-in providers, and `AUTH_URL` as another name of `APP_URL`.

    Args:
        settings_cls: The settings.
        sources: Where the environment was read, the one that decides first.
    """

    def __init__(
        self, settings_cls: type[BaseSettings], *sources: PydanticBaseSettingsSource
    ) -> None:
        super().__init__(settings_cls)
        self._environment: dict[str, str | None] = {}
        for source in reversed(sources):
            if isinstance(source, EnvSettingsSource):
                self._environment |= source.env_vars

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """No single field is asked for here; the base class wants the method."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The values, by field name.

        Raises:
            ValueError: A provider is half described.
        """
        given: dict[str, Any] = {"sign_in_providers": sign_in_providers(self._environment)}
        url = self._environment.get("auth_url")
        if url and not self._environment.get("app_url"):
            # Auth.js lets it end in its own path.
            given["app_url"] = url.rstrip("/").removesuffix("/api/auth")
        return given
