"""Responses to errors of the gateway: for programs, and the pages for three of them."""

from html import escape
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, Response

from chat_app.api.errors import MethodNotAllowed, error_headers
from chat_app.api.families import ApiFamily
from chat_app.core.errors import ChatError, NotFound, RateLimited, Unavailable
from chat_app.gateway.errors import SAFE_METHODS, UnknownHost
from chat_app.gateway.origins import UNSAFE_METHODS
from chat_app.gateway.paths import is_api
from chat_app.settings.validation import is_loopback

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif; }}
:root {{ background: light-dark(#fcfbf9, #161715); color: light-dark(#1f1d1a, #ecebe6); }}
body {{ max-width: 34rem; margin: 15vh auto; padding: 0 1.5rem; }}
h1 {{ font-size: 1.5rem; font-weight: 650; line-height: 1.3; }}
p {{ color: light-dark(#57524a, #bdbbb3); }}
a {{ color: light-dark(#0b6a56, #74cfb3); font-weight: 600; text-underline-offset: 0.2em; }}
a.button {{
  display: inline-block; padding: 0.5rem 1.125rem; border-radius: 0.75rem; text-decoration: none;
  background: light-dark(#0b6a56, #74cfb3); color: light-dark(#ffffff, #07261e);
}}
code {{ font: 0.9em ui-monospace, monospace; overflow-wrap: anywhere; }}
</style>
<main>
<h1>{title}</h1>
{body}
</main>
</html>
"""
"""In the colors of the app (assets/style.css), but without any file of it."""

_UNKNOWN_HOST_BODY = """<p>This server is not configured for {host}.</p>
{link}
<p>Administrators: set <code>APP_URL</code> to the URL people use, such as
<code>https://chat.example</code>, or add this one to <code>APP_ORIGINS</code>, and restart the
server.</p>"""

# As `not_found` in chat_app/pages has it, for paths that never reach the pages.
_NOT_FOUND_BODY = """<p>The link is wrong, or the page has moved.</p>
<p><a class="button" href="/">Go to your chats</a></p>"""


def error_response(error: ChatError, path: str, family: ApiFamily) -> Response:
    """An error for programs, in the form of every route of the family.

    Args:
        error: The error.
        path: The path of the request.
        family: The family of the request.
    """
    return family.error_response(error, _headers(error, path))


def error_page(error: ChatError, path: str, family: ApiFamily, *, host: str, url: str) -> Response:
    """An error as a page where there is one for it, else as JSON.

    Args:
        error: The error.
        path: The path of the request.
        family: The family of the request.
        host: The Host header, as it came.
        url: The URL people should use.
    """
    if isinstance(error, UnknownHost):
        return HTMLResponse(unknown_host_page(host, url), error.status)
    if isinstance(error, NotFound):
        page = _PAGE.format(title="Page not found", body=_NOT_FOUND_BODY)
        return HTMLResponse(page, error.status)
    if isinstance(error, RateLimited | Unavailable):
        page = _unavailable_page(error.message)
        return HTMLResponse(page, error.status, _headers(error, path))
    return error_response(error, path, family)


def _headers(error: ChatError, path: str) -> dict[str, str]:
    if isinstance(error, MethodNotAllowed):
        # What the gateway lets through (RFC 9110 §15.5.6); a route may take less.
        methods = SAFE_METHODS | UNSAFE_METHODS if is_api(path) else SAFE_METHODS
        return {"Allow": ", ".join(sorted(methods))}
    return error_headers(error)


def unknown_host_page(host: str, url: str) -> bytes:
    """The page for an unknown host, which names the setting to change.

    Args:
        host: The Host header, as it came.
        url: The URL people should use. Only a request to this machine's own loopback address is
            shown it: a port scan must not learn the name.
    """
    name = f"<code>{escape(host[:255])}</code>" if host else "a request without a host"
    link = ""
    if _is_loopback(host):
        link = f'<p>It is available at <a href="{escape(url)}">{escape(url)}</a>.</p>'
    body = _UNKNOWN_HOST_BODY.format(host=name, link=link)
    return _PAGE.format(title="Unknown host", body=body).encode()


def _unavailable_page(message: str) -> bytes:
    body = f'<p>{escape(message)}</p>\n<p><a class="button" href="">Try again</a></p>'
    return _PAGE.format(title="Temporarily unavailable", body=body).encode()


def _is_loopback(netloc: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{netloc}").hostname or "")
    except ValueError:
        return False
