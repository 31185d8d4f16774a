"""The built pages: made to work on every port and origin, and to load a chat's scripts at once.

Reflex writes one address into the scripts, React Router leaves routes with arguments out of its
preloads, and Vite writes small fonts into the styles, where the pages' policy refuses them. A
plugin changes all three after each build. Pages for another host keep the address of the server,
and have their policy in them, because no gateway sends it. Another plugin lets two routes share
their page.
"""

import base64
import functools
import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import reflex as rx
from reflex.plugins import Plugin
from reflex.utils import build, frontend_skeleton

from chat_app.reflex_ext.build import baked_settings
from chat_app.settings import settings

_SOCKET = "/_event"
_FALLBACK = "__spa-fallback.html"
_HEAD = re.compile(r"<head[^>]*>")
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
        policy: The content security policy of a page for another host, by its file and the origin
            of the server.
    """

    def __init__(self, entry_route: str, policy: Callable[[Path, str], str]) -> None:
        self._entry_route, self._policy = entry_route, policy

    def post_build(self, **context: Any) -> None:
        """Rewrite the scripts and the pages."""
        client: Path = context["static_dir"]
        api_origin = baked_settings().api_origin
        if not api_origin:
            use_page_origin(client, rx.config.get_config().api_url)
        preload_route(client, self._entry_route)
        write_fonts(client)
        if api_origin:
            require_socket(client, api_origin)
            write_policies(client, lambda page: self._policy(page, api_origin))


class SharedPage(Plugin):
    """Makes a route show the very page of another one, which stays as it is from one to the other.

    Reflex writes each route a component of its own, and React makes everything anew where another
    component comes: the focus, what is open and what was just pressed would be lost.

    Args:
        route: The route, as React Router calls it.
        page_of: The other one; both were added with the same page and the same arguments.
    """

    def __init__(self, route: str, page_of: str) -> None:
        self._route, self._page_of = route, page_of

    def pre_compile(self, **context: Any) -> None:
        """Replace the module of the route."""
        module = f'export {{ default }} from "./{Path(self._page_of).name}.jsx";\n'
        context["add_modify_task"](f"app/{self._route}.jsx", lambda _: module)


class AppConfig(rx.Config):
    """Reflex's configuration, whose changes our settings see too.

    `reflex deploy` learns the URLs of its hosts after it has read rxconfig.py, and sets them here.
    """

    def _set_persistent(self, **values: Any) -> None:
        super()._set_persistent(**values)
        settings.cache_clear()


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
    url = _urls_in_scripts(api_url)
    seen: set[str] = set()
    for script in sorted(client.rglob("*.js")):
        text = script.read_text(encoding="utf-8")
        paths = {match[2] for match in url.finditer(text)}
        if paths:
            seen |= paths
            script.write_text(url.sub(r'(location.origin+"\2")', text), encoding="utf-8")
    if _SOCKET not in seen:
        raise _socket_not_found(api_url)


def require_socket(client: Path, api_url: str) -> None:
    """Make sure that the built pages open their socket at another host.

    Args:
        client: The folder of the built pages.
        api_url: The URL of that host.

    Raises:
        SocketUrlNotFound: No script has the URL of the socket.
    """
    url = _urls_in_scripts(api_url)
    scripts = (script.read_text(encoding="utf-8") for script in client.rglob("*.js"))
    if not any(match[2] == _SOCKET for text in scripts for match in url.finditer(text)):
        raise _socket_not_found(api_url)


def _urls_in_scripts(api_url: str) -> re.Pattern[str]:
    """What matches a URL of the server in a script; the path is its second group."""
    host = re.escape(urlsplit(api_url).netloc)
    return re.compile(rf"""(["'`])(?:http|ws)s?://{host}(/[\w/-]*)\1""")


def _socket_not_found(api_url: str) -> SocketUrlNotFound:
    return SocketUrlNotFound(f"No script of the built page names the socket of {api_url}.")


def write_policies(client: Path, policy: Callable[[Path], str]) -> None:
    """Write its content security policy into every page.

    Args:
        client: The folder of the built pages.
        policy: The policy of a page, by its file.
    """
    for page in client.rglob("*.html"):
        tag = f'<meta http-equiv="Content-Security-Policy" content="{escape(policy(page))}"/>'
        text = page.read_text(encoding="utf-8")
        # Before every script, which is held to it only then.
        page.write_text(
            _HEAD.sub(lambda head, tag=tag: head[0] + tag, text, count=1), encoding="utf-8"
        )


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


_NO_PROGRAM = (
    *("benchmarks", "docs", "resilience", "screenshots", "setup", "testing", "tests"),
    *("node_modules", "*/node_modules", "*/*/node_modules", "*.egg-info", "htmlcov", "uv.lock"),
    *("*.env", "*.env.*", "*.pem", "*.key", "*.p12", "*.pfx", "*.zip", "*.log", "nohup.out"),
)
"""Of the project's folder: what only developers run, what tools leave, and where keys are kept."""


def leave_out(paths: Iterable[Path]) -> None:
    """Let `reflex export` and `reflex deploy` pack the program, but nothing of its users.

    Reflex leaves out hidden files and `*.db` alone; the log of changes beside a database, the
    secret, the backups and what users uploaded would be in the archive, and with them whatever else
    lies in the folder.

    Args:
        paths: Files and folders.
    """
    zip_app = inspect.unwrap(build.zip_app)
    given = tuple(paths)

    @functools.wraps(zip_app)
    def zip_without(*args: Any, **options: Any) -> None:
        others = (path for pattern in _NO_PROGRAM for path in Path.cwd().glob(pattern))
        kept_out = (*given, *others)
        excluded = (*options.pop("backend_excluded_dirs", ()), *kept_out)
        zip_app(*args, backend_excluded_dirs=excluded, **options)

    build.zip_app = zip_without
