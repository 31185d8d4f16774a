"""The key that the program makes for itself when the operator gives none."""

import os
import secrets
from pathlib import Path


def kept_secret(path: Path) -> bytes:
    """The key that a file holds; made, for the owner's eyes only, when there is no file.

    Args:
        path: The file; its folder is made too.

    Raises:
        OSError: The file can be neither read nor made.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes().strip()
    value = secrets.token_hex(32).encode()
    with os.fdopen(fd, "wb") as file:
        file.write(value)
    return value
