"""The data folder: a lock file for one process, private file permissions."""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from chat_app.db.errors import DataFolderInUse

_LOCK = "lock"


def make_private_folder(path: Path) -> None:
    """Create a folder with mode 0700; restrict an existing one that is ours."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.stat()
    if status.st_mode & 0o077 and status.st_uid == os.geteuid():
        path.chmod(0o700)


def make_private_file(path: Path) -> None:
    """Create an empty file with mode 0600, unless it exists.

    SQLite gives its journal files the mode of the database, so this covers them too.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))


class DataFolder:
    """The lock on the data folder, a context manager.

    The kernel releases the lock with the process, so a crash leaves nothing to clean up.

    Args:
        path: The folder; created with mode 0700.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def lock(self) -> None:
        """Acquire the lock.

        Raises:
            DataFolderInUse: Another process owns it.
        """
        if self._file is not None:
            return
        make_private_folder(self.path)
        file = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(file, 20, 0).decode("ascii", "replace").strip()
            os.close(file)
            raise DataFolderInUse(_message(self.path, owner)) from None
        except BaseException:
            os.close(file)
            raise
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode("ascii"), 0)
        self._file = file

    def unlock(self) -> None:
        """Release the lock. Can be called twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> "DataFolder":
        self.lock()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.unlock()


def _message(path: Path, owner: str) -> str:
    process = f" (process {owner})" if owner.isdigit() else ""
    return (
        f"Another process{process} is using the data folder {path}; "
        "stop it or set DATA_DIR to another folder."
    )
