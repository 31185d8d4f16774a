"""The data folder: its lock for one process, and private file permissions."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from chat_app.core.errors import DatabaseError
from chat_app.core.file_locks import open_locked
from chat_app.settings.database import using_data_dir

STOP_OR_MOVE = "stop it or set DATA_DIR to another folder."
"""The advice to a server, which can use another folder."""
STOP_FIRST = "stop it first."
"""The advice to a command that is about this folder."""


class DataFolderInUse(DatabaseError):
    """Another process owns the data folder."""

    code = "folder_in_use"


class DatabaseMissing(DatabaseError):
    """There is no SQLite database where the settings say."""

    code = "database_missing"


def require_database(path: Path) -> None:
    """Refuse a SQLite file that is not there, or is empty.

    Raises:
        ConfigError: Its folder cannot be used.
        DatabaseMissing: It is not.
    """
    with using_data_dir(path.parent):
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            raise DatabaseMissing(
                f"There is no database at {path}. Start the server once, or check DATA_DIR."
            ) from None
    if not size:
        raise DatabaseMissing(
            f"The file {path} is empty. Restore a backup, or start the server for a new database."
        )


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
    os.close(open_private(path))


def open_private(path: Path) -> int:
    """Open a file, made with mode 0600, to read and write; the file descriptor."""
    return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def lock_data_folder(path: Path, *, advice: str = STOP_OR_MOVE) -> Iterator[None]:
    """Own the data folder until the block ends.

    Args:
        path: The folder; created with mode 0700, and removed if the block fails and has put nothing
            into it.
        advice: What to do where another process owns it.

    Raises:
        ConfigError: The folder cannot be used.
        DataFolderInUse: Another process owns it.
    """
    with using_data_dir(path):
        made = [folder for folder in (path, *path.parents) if not folder.exists()]
        make_private_folder(path)
        lock = path / "lock"
        try:
            file = open_locked(lock)
        except BlockingIOError:
            owner = lock.read_bytes()[:20].decode("ascii", "replace").strip()
            process = f" (process {owner})" if owner.isdigit() else ""
            raise DataFolderInUse(
                f"Another process{process} is using the data folder {path}; {advice}"
            ) from None
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            if made and os.listdir(path) == [lock.name]:
                lock.unlink()
                for folder in made:
                    folder.rmdir()
        raise
    finally:
        os.close(file)
