"""Lists as people write them in an environment: with commas, not as JSON."""

from typing import Annotated

from pydantic import BeforeValidator, SecretStr
from pydantic_settings import NoDecode


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Texts with commas between them; spaces around them do not count."""

SecretList = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]
"""The same for what must not be shown."""
