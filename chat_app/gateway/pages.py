"""The pages that the door shows itself: a name it does not know, a person it cannot look up."""

from html import escape
from urllib.parse import urlsplit

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif; }}
body {{ max-width: 34rem; margin: 15vh auto; padding: 0 1.5rem; }}
h1 {{ font-size: 1.4rem; line-height: 1.3; }}
code {{ font: 0.9em ui-monospace, monospace; overflow-wrap: anywhere; }}
</style>
<h1>{title}</h1>
{body}
</html>
"""

_WRONG_HOST = """<p>The server does not answer for {host}, so that no other site can pose as it.</p>
{link}
<p>If it is yours: set <code>APP_URL</code> to the address people use, such as
<code>https://chat.example</code>, or add this one to <code>APP_ORIGINS</code>, and start it
again.</p>"""

UNKNOWN_HOST = (
    "This server does not answer for this host; set APP_URL to the address people use, "
    "or add it to APP_ORIGINS."
)

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _is_loopback(netloc: str) -> bool:
    try:
        return urlsplit(f"//{netloc}").hostname in _LOOPBACK
    except ValueError:
        return False


def unknown_host_page(host: str, url: str) -> bytes:
    """The page that says which setting to change.

    Args:
        host: The Host header, as it came.
        url: The origin people should use. It is shown only to somebody on the same machine: who
            scans addresses need not learn the name.
    """
    named = f"<code>{escape(host[:255])}</code>" if host else "a request without a host"
    link = ""
    if _is_loopback(host):
        link = f'<p>It is open at <a href="{escape(url)}">{escape(url)}</a>.</p>'
    body = _WRONG_HOST.format(host=named, link=link)
    return _PAGE.format(title="This address is not set up", body=body).encode()


def unavailable_page(message: str) -> bytes:
    """The page for somebody who cannot be looked up now.

    Args:
        sentence: What to say.
    """
    body = f'<p>{escape(message)}</p>\n<p><a href="">Try again</a></p>'
    return _PAGE.format(title="The chat is not available now", body=body).encode()
