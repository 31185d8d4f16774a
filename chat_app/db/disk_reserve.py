"""The disk reserve: a file that is deleted when the disk is full, so that there is room to go on.

With that room people can still sign in, read and delete. What needs much room, such as new
messages, is refused until the disk has enough again; then the file is created again.
"""

import contextlib
import errno
import logging
import os
import shutil
from pathlib import Path

from chat_app.db.data_folder import open_private

RESERVE_BYTES = 16 * 1024 * 1024
"""The size of the file."""

ROOM_BYTES = 4 * 1024 * 1024
"""How much must be free beside the file when it is made."""

_LEAST_BYTES = 1024 * 1024  # with less the start itself could fail
_CHUNK = 1024 * 1024

logger = logging.getLogger(__name__)


class DiskReserve:
    """The reserve on the disk of a database.

    Args:
        path: The file.
        size: Its size, in bytes.
    """

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size = size
        self._in_use = False

    def prepare(self) -> None:
        """Make the file, or, where the disk is full already, go without it from the start."""
        if self._exists():
            if self._free() < _LEAST_BYTES:
                self.release()
        elif not self._make():
            self._in_use = True
            logger.error(
                "The disk has no room for the reserve %s: new messages are refused until %d MB "
                "are free.",
                self._path,
                self._needed // 1_000_000,
            )

    def is_in_use(self) -> bool:
        """Whether the disk is full; looks whether it still is."""
        if self._in_use and self._make():
            self._in_use = False
            logger.info("The disk has room again. The reserve %s was created again.", self._path)
        return self._in_use

    def release(self) -> None:
        """Delete the file: the disk is full."""
        if self._in_use:
            return
        self._in_use = True
        self._path.unlink(missing_ok=True)
        logger.error(
            "The disk is full. The reserve %s was deleted: people can sign in, read and delete, "
            "but new messages are refused until %d MB are free.",
            self._path,
            self._needed // 1_000_000,
        )

    @property
    def _needed(self) -> int:
        return self._size + ROOM_BYTES

    def _free(self) -> int:
        return shutil.disk_usage(self._path.parent).free

    def _exists(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return self._path.stat().st_size == self._size
        return False

    def _make(self) -> bool:
        """Make the file if there is room for it, and some more; whether it is there."""
        try:
            if self._free() < self._needed:
                return False
            file = open_private(self._path)
            try:
                _allocate(file, self._size)
            finally:
                os.close(file)
        except OSError:  # full after all, or a quota
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            return False
        return True


def _allocate(file: int, size: int) -> None:
    """Give a file its blocks; a file with a hole would reserve nothing."""
    if hasattr(os, "posix_fallocate"):  # not on macOS
        try:
            os.posix_fallocate(file, 0, size)
            return
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            # a file system that cannot do it
    for at in range(0, size, _CHUNK):  # random, so that no file system compresses it
        os.pwrite(file, os.urandom(min(_CHUNK, size - at)), at)
