"""AUTH_SECRET: the key that all other keys are derived from, its strength, and its file."""

import contextlib
import os
import secrets
from pathlib import Path

from pydantic import SecretStr, field_validator

from chat_app.settings.validation import ConfigError, SecretList, SettingsGroup

_MIN_LENGTH = 32
_MIN_DIFFERENT = 8  # a random key of 32 hexadecimal digits has about 14
_FROM_EXAMPLES = ("changeme", "changethis", "yoursecret", "supersecret", "placeholder", "openssl")


class SecretSettings(SettingsGroup):
    """Secret."""

    auth_secret: SecretStr = SecretStr("")
    """At least 32 random characters; the keys of sessions, cookies and stored secrets are derived
    from it. Empty generates one and stores it in DATA_DIR."""

    auth_secret_previous: SecretList = ()
    """Earlier values of AUTH_SECRET, comma separated: they still decrypt, and nothing new is
    encrypted with them."""

    @field_validator("auth_secret")
    @classmethod
    def _is_strong(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            refuse_weak_secret(value.get_secret_value())
        return value

    @field_validator("auth_secret_previous")
    @classmethod
    def _are_strong(cls, values: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for value in values:
            refuse_weak_secret(value.get_secret_value())
        return values


def refuse_weak_secret(value: str) -> None:
    """Refuse a key that can be guessed.

    Args:
        value: The key; the message does not contain it.

    Raises:
        ValueError: It is short, or one text repeated, or taken from an example.
    """
    if len(value) < _MIN_LENGTH:
        raise ValueError(f"must have at least {_MIN_LENGTH} characters")
    alphanumeric = "".join(char for char in value.lower() if char.isalnum())
    repeats = value in (value + value)[1:-1]
    is_example = any(text in alphanumeric for text in _FROM_EXAMPLES)
    if repeats or is_example or len(set(value)) < _MIN_DIFFERENT:
        raise ValueError("must be random, for example the output of `openssl rand -hex 32`")


def load_or_create_secret(data_dir: Path) -> bytes:
    """Read the key from `secret` in the data folder; generate it (mode 0600) if it is missing.

    Raises:
        ConfigError: The file holds less than a key.
        OSError: The file can be neither read nor created.
    """
    path = data_dir / "secret"
    if not path.exists():
        _write_atomically(path, secrets.token_hex(32).encode())
    value = path.read_bytes().strip()
    if len(value) < _MIN_LENGTH:
        raise ConfigError(
            f"DATA_DIR: the key in {path} is truncated; remove the file to generate a new key"
        )
    return value


def _write_atomically(path: Path, value: bytes) -> None:
    """Write a file whole or not at all; one that another process created first stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)
