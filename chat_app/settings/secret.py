"""The key that other keys are derived from: what is strong enough, and the one made for itself."""

import contextlib
import os
import secrets
from pathlib import Path

from chat_app.settings.types import ConfigError

_SHORTEST = 32
_FEWEST_DIFFERENT = 8  # a random key of 32 hexadecimal digits has about 14
_FROM_EXAMPLES = ("changeme", "changethis", "yoursecret", "supersecret", "placeholder", "openssl")


def refuse_weak_secret(value: str) -> None:
    """Refuse a key that somebody could have thought of.

    Args:
        value: The key; the sentence does not repeat it.

    Raises:
        ValueError: It is short, or a word again and again, or comes from an example.
    """
    if len(value) < _SHORTEST:
        raise ValueError(f"must have at least {_SHORTEST} characters")
    letters = "".join(char for char in value.lower() if char.isalnum())
    repeats = value in (value + value)[1:-1]
    is_example = any(word in letters for word in _FROM_EXAMPLES)
    if repeats or is_example or len(set(value)) < _FEWEST_DIFFERENT:
        raise ValueError("must be random, for example what `openssl rand -hex 32` prints")


def load_or_create_secret(path: Path) -> bytes:
    """The key that a file holds; made, for the owner's eyes only, when there is no file.

    Args:
        path: The file; its folder is made too.

    Raises:
        WrongSettings: The file holds something shorter than a key.
        OSError: The file can be neither read nor made.
    """
    if not path.exists():
        _keep(path, secrets.token_hex(32).encode())
    value = path.read_bytes().strip()
    if len(value) < _SHORTEST:
        raise ConfigError(
            f"DATA_DIR: the key in {path} was cut short; remove the file, and a new one is made"
        )
    return value


def _keep(path: Path, value: bytes) -> None:
    """Write a key at once or not at all; one that came to be meanwhile stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    being_written = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(being_written, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(being_written)
    finally:
        being_written.unlink(missing_ok=True)
