"""Locks between processes: a file that one of them, or several, holds (`flock(2)`).

The kernel releases a lock with the last process that has the file open, so a crash leaves nothing
to clean up, and a child that inherits the file holds the lock on.
"""

import fcntl
import os
from pathlib import Path


def open_locked(
    path: Path, *, shared: bool = False, wait: bool = False, create: bool = True
) -> int:
    """Open a file to read and write, and lock it; closing it unlocks it.

    Args:
        path: The file; created with mode 0600.
        shared: Whether others may hold it at the same time in this way.
        wait: Whether to wait for a process that holds it.
        create: Whether to create the file if it is missing.

    Returns:
        The file descriptor.

    Raises:
        BlockingIOError: Another process holds it.
        OSError: The file cannot be opened.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    file = os.open(path, flags, 0o600)
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(file, kind | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        os.close(file)
        raise
    return file
