"""The content security policy of the pages."""

import base64
import hashlib
from collections.abc import Collection
from html.parser import HTMLParser
from pathlib import Path

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""For answers that are never a page."""


class _InlineScripts(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "script" and all(name != "src" for name, _ in attrs)
        if self._inside:
            self.found.append("")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = False


def script_hashes(build: Path) -> tuple[str, ...]:
    """The CSP sources of every inline script in the built pages, sorted.

    Args:
        build: The folder of the exported front end. The hashes change with every build.
    """
    hashes: set[str] = set()
    for page in build.rglob("*.html"):
        parser = _InlineScripts()
        # Text mode turns CR LF into LF, as the browser does before it hashes.
        parser.feed(page.read_text(encoding="utf-8"))
        parser.close()
        for script in parser.found:
            digest = hashlib.sha256(script.encode()).digest()
            hashes.add(f"'sha256-{base64.b64encode(digest).decode()}'")
    return tuple(sorted(hashes))


def page_policy(
    origins: Collection[str], hashes: Collection[str] = (), beyond: Collection[str] = ()
) -> str:
    """The policy of a page: our own files, our own inline scripts, nothing from elsewhere.

    Styles may be inline because the component library writes them at run time.

    Args:
        origins: Our own origins.
        hashes: The sources of the inline scripts, from `script_hashes`.
        beyond: Other people's origins where a form of ours may end: the sign-in providers'.
    """
    own = sorted(origins)
    sockets = [origin.replace("http", "ws", 1) for origin in own]
    directives = {
        "default-src": ["'self'"],
        "script-src": ["'self'", *hashes],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'", *own, *sockets],
        "worker-src": ["'self'"],
        "manifest-src": ["'self'"],
        "media-src": ["'self'"],
        "frame-src": ["'none'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'", *own, *sorted(set(beyond))],
        "frame-ancestors": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())
