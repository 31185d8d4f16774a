"""Where a person may be sent after signing in or out: to a page of this program, nowhere else."""

from urllib.parse import unquote, urlsplit

from chat_app.settings import Settings

_MAX_LENGTH = 2_048


def safe_callback(
    url: str | None, settings: Settings, *, base: str | None = None, default: str = "/"
) -> str:
    """An absolute URL that is surely ours.

    Args:
        url: What was asked for: a path, or a URL of one of `settings.origins`.
        settings: Decides which origins are ours.
        base: The origin of a path, one of `settings.origins`; `settings.url` when None.
        default: The path taken when what was asked for is missing or not ours.
    """
    home = base or settings.url
    return _ours(url or "", home, settings) or home + default


def _ours(url: str, home: str, settings: Settings) -> str | None:
    # Printable ASCII only: browsers drop tabs and newlines and read a backslash as a slash.
    if len(url) > _MAX_LENGTH or not all("!" <= char <= "~" for char in url) or "\\" in url:
        return None
    if url.startswith("/"):
        return home + url if _is_plain(url) else None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    origin = f"{parts.scheme}://{parts.netloc}".lower()
    if origin not in settings.origins:
        return None
    rest = url[len(origin) :]
    rest = rest if rest.startswith("/") else "/" + rest
    return origin + rest if _is_plain(rest) else None


def _is_plain(path: str) -> bool:
    # Whoever decodes it once or twice more, a proxy or a router, must still see one of our paths.
    path = path.partition("?")[0].partition("#")[0]
    for _ in range(3):
        if path.startswith("//") or "\\" in path or not path.isprintable():
            return False
        path = unquote(path)
    return True
