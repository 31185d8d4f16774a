"""The built pages: made to work on every port and origin, and to load a chat's scripts at once.

Reflex writes one address into the scripts, React Router leaves routes with arguments out of its
preloads, and Vite writes small fonts into the styles, where the pages' policy refuses them. The
plugin changes all three after each build.
"""

import base64
import functools
import hashlib
import inspect
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import reflex as rx
from reflex.plugins import Plugin
from reflex.utils import build, frontend_skeleton

_SOCKET = "/_event"
_FALLBACK = "__spa-fallback.html"
_FONT = re.compile(
    r"""url\((["']?)data:font/(?P<kind>woff2|woff|ttf|otf);base64,(?P<data>[\w+/=]+)\1\)"""
)


class RouteNotFound(Exception):
    """The built page has no such route."""


class SocketUrlNotFound(Exception):
    """The built page does not name the server the way this version of Reflex does."""


class PortablePages(Plugin):
    """Makes the built pages work on every port and origin they are served from.

    Args:
        entry_route: The route whose scripts are preloaded, as React Router calls it.
    """

    def __init__(self, entry_route: str) -> None:
        self._entry_route = entry_route

    def post_build(self, **context: Any) -> None:
        """Rewrite the scripts and the fallback page."""
        use_page_origin(context["static_dir"], rx.config.get_config().api_url)
        preload_route(context["static_dir"], self._entry_route)
        write_fonts(context["static_dir"])


def keep_equal_lockfiles() -> None:
    """Let Reflex write a lock file of the front end only when its content has changed.

    Reflex and bun lay the list of packages out differently, and each would write its own.
    """
    write = inspect.unwrap(frontend_skeleton.sync_web_lockfile_to_root)

    @functools.wraps(write)
    def write_if_changed(filename: str) -> None:
        built = frontend_skeleton.get_web_lockfile_path(filename)
        if not is_same_json(built, frontend_skeleton.get_root_lockfile_path(filename)):
            write(filename)

    frontend_skeleton.sync_web_lockfile_to_root = write_if_changed


def use_page_origin(client: Path, api_url: str) -> None:
    """Make the built pages use the origin they were loaded from.

    Reflex writes the URL of one server into the scripts, with its port. Ours serves pages and
    socket together, so the page's own origin is always right.

    Args:
        client: The folder of the built pages.
        api_url: The URL in the scripts.

    Raises:
        SocketUrlNotFound: No script has the URL of the socket.
    """
    host = re.escape(urlsplit(api_url).netloc)
    url = re.compile(rf"""(["'`])(?:http|ws)s?://{host}(/[\w/-]*)\1""")
    seen: set[str] = set()
    for script in sorted(client.rglob("*.js")):
        text = script.read_text(encoding="utf-8")
        paths = {match[2] for match in url.finditer(text)}
        if paths:
            seen |= paths
            script.write_text(url.sub(r'(location.origin+"\2")', text), encoding="utf-8")
    if _SOCKET not in seen:
        raise SocketUrlNotFound(f"No script of the built page names the socket of {api_url}.")


def preload_route(client: Path, route: str) -> None:
    """Preload the scripts of a route in the fallback page.

    That page serves every URL with arguments, so React Router leaves the route's scripts out, and
    the browser would request them only when all others have run.

    Args:
        client: The folder of the built pages.
        route: The route, as React Router calls it.

    Raises:
        RouteNotFound: The build has no such route.
    """
    (manifest,) = client.glob("assets/manifest-*.js")
    listed = json.loads(manifest.read_text(encoding="utf-8").partition("=")[2].rstrip(" \n;"))
    if route not in listed["routes"]:
        raise RouteNotFound(f"The built page has no route {route}.")
    chunk = listed["routes"][route]
    page = client / _FALLBACK
    text = page.read_text(encoding="utf-8")
    links = "".join(
        f'<link rel="modulepreload" href="{script}"/>'
        for script in (chunk["module"], *chunk["imports"])
        if f'href="{script}"' not in text
    )
    page.write_text(text.replace("</head>", f"{links}</head>", 1), encoding="utf-8")


def write_fonts(client: Path) -> None:
    """Make files of the fonts that stand in the styles as `data:` URLs.

    Args:
        client: The folder of the built pages.
    """
    for style in sorted(client.rglob("*.css")):
        text = style.read_text(encoding="utf-8")
        files = _FONT.sub(functools.partial(_write_font, style.parent), text)
        if files != text:
            style.write_text(files, encoding="utf-8")


def _write_font(folder: Path, found: re.Match[str]) -> str:
    font = base64.b64decode(found["data"])
    name = f"font-{hashlib.sha256(font).hexdigest()[:16]}.{found['kind']}"
    (folder / name).write_bytes(font)
    return f"url({name})"


def is_same_json(path: Path, other: Path) -> bool:
    """Whether two JSON files have the same content. One that is missing or no JSON has none."""
    try:
        return json.loads(path.read_bytes()) == json.loads(other.read_bytes())
    except (OSError, ValueError):
        return False


def leave_out(paths: Iterable[Path]) -> None:
    """Let `reflex export` and `reflex deploy` pack the program, but nothing of its users.

    Reflex leaves out hidden files and `*.db` alone; the log of changes beside a database, the
    secret, the backups and what users uploaded would be in the archive.

    Args:
        paths: Files and folders.
    """
    zip_app = inspect.unwrap(build.zip_app)
    kept_out = tuple(paths)

    @functools.wraps(zip_app)
    def zip_without(*args: Any, **options: Any) -> None:
        excluded = (*options.pop("backend_excluded_dirs", ()), *kept_out)
        zip_app(*args, backend_excluded_dirs=excluded, **options)

    build.zip_app = zip_without
