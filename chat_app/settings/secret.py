"""AUTH_SECRET: the key that all other keys are derived from, its strength, and its file."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from chat_app.settings.database import using_data_dir
from chat_app.settings.validation import CommaList, ConfigError, SettingsGroup

_MIN_LENGTH = 32
_MIN_DIFFERENT = 8  # a random key of 32 hexadecimal digits has about 14
_FROM_EXAMPLES = ("changeme", "changethis", "yoursecret", "supersecret", "placeholder", "openssl")


def refuse_weak_secret(secret: SecretStr) -> SecretStr:
    """Refuse a key that can be guessed; empty is no key.

    Args:
        secret: The key; the message does not contain it.

    Raises:
        ValueError: It is short, or one text repeated, or taken from an example.
    """
    value = secret.get_secret_value()
    if not value:
        return secret
    if len(value) < _MIN_LENGTH:
        raise ValueError(f"must have at least {_MIN_LENGTH} characters")
    alphanumeric = "".join(char for char in value.lower() if char.isalnum())
    repeats = value in (value + value)[1:-1]
    is_example = any(text in alphanumeric for text in _FROM_EXAMPLES)
    if repeats or is_example or len(set(value)) < _MIN_DIFFERENT:
        raise ValueError("must be random, for example the output of `openssl rand -hex 32`")
    return secret


_StrongSecret = Annotated[SecretStr, AfterValidator(refuse_weak_secret)]


class SecretSettings(SettingsGroup):
    """Secret."""

    auth_secret: _StrongSecret = SecretStr("")
    """At least 32 random characters; the keys of sessions, cookies and stored secrets are derived
    from it. Empty generates one and stores it in DATA_DIR."""

    auth_secret_previous: CommaList[_StrongSecret] = ()
    """Earlier values of AUTH_SECRET, comma separated: they still decrypt, and nothing new is
    encrypted with them."""


def load_or_create_secret(data_dir: Path) -> bytes:
    """Read the key from `secret` in the data folder; generate it (mode 0600) if it is missing.

    Raises:
        ConfigError: The file holds less than a key, or can be neither read nor created.
    """
    path = data_dir / "secret"
    with using_data_dir(data_dir):
        if not path.exists():
            _write_atomically(path, secrets.token_hex(32).encode())
        value = path.read_bytes().strip()
    if len(value) < _MIN_LENGTH:
        raise ConfigError(
            f"DATA_DIR: the key in {path} is truncated; remove the file to generate a new key"
        )
    return value


def _write_atomically(path: Path, value: bytes) -> None:
    """Write a file (mode 0600) whole or not at all; one that another process made first stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(dir=path.parent) as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(file.name)
