"""Folders of built pages: a server keeps the pages that it started with.

Reflex builds in `.web`, and removes what is there first. So every build is copied to a folder of
its own. A server holds a lock on its folder; those that no server holds are removed in time.
"""

import os
import shutil
from pathlib import Path

from chat_app.core.file_locks import open_locked

WEB = Path(".web")
"""Where Reflex builds, relative to the project's folder."""

CLIENT = Path("build", "client")
"""Where Reflex puts the pages, relative to its own folder."""

_BACKEND = "backend"  # what Reflex knows of the pages at the start of a server
_LOCK = "in-use"
_KEPT = 3  # of the folders that no server uses: other settings may be used again

_held: list[int] = []  # open files, until the process ends


class PageFolders:
    """The folders of all builds of a project.

    Args:
        root: The project's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / ".build" / "pages"

    def path(self, name: str) -> Path:
        """The folder of a build, in the layout of Reflex's own folder."""
        return self._folder / name

    def has(self, name: str) -> bool:
        """Whether there is a build of this name."""
        return (self.path(name) / CLIENT).is_dir()

    def add(self, name: str) -> Path:
        """Copy what Reflex has just built; a build of the same name stays.

        Args:
            name: The name of the build.

        Returns:
            Its folder.

        Raises:
            OSError: It cannot be copied; nothing is left.
        """
        if self.has(name):
            return self.path(name)
        part = self.path(f"{name}.{os.getpid()}.part")
        try:
            shutil.copytree(self._root / WEB / CLIENT, part / CLIENT)
            backend = self._root / WEB / _BACKEND
            if backend.is_dir():
                shutil.copytree(backend, part / _BACKEND)
            (part / _LOCK).touch()
            shutil.rmtree(self.path(name), ignore_errors=True)
            part.rename(self.path(name))
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return self.path(name)

    def hold(self, name: str) -> Path:
        """Keep a build for as long as this process runs.

        Returns:
            Its folder.
        """
        path = self.path(name)
        lock = open_locked(path / _LOCK, shared=True, wait=True)
        os.utime(path)
        _held.append(lock)
        return path

    def remove_unused(self) -> None:
        """Remove the builds that no process holds, except the last few."""
        newest_first = sorted(
            (path for path in self._folder.iterdir() if path.is_dir()),
            key=lambda path: path.stat().st_mtime,
            reverse=True,
        )
        unused = [path for path in newest_first if not _is_held(path)]
        for path in unused[_KEPT:]:
            shutil.rmtree(path, ignore_errors=True)


def _is_held(path: Path) -> bool:
    try:
        os.close(open_locked(path / _LOCK, create=False))
    except BlockingIOError:
        return True
    except FileNotFoundError:  # left by a process that was killed while it copied
        return False
    return False
