"""Responses of the API: JSON, redirects to our own pages, cookies, and the results of forms."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import unquote, urlencode, urlsplit
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from chat_app.api.errors import NO_STORE, log_failure, wants_url
from chat_app.auth.errors import InvalidCredentials, error_code_of
from chat_app.auth.known_browsers import LIFETIME as KNOWN_LIFETIME
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import IssuedSession, ResolvedSession
from chat_app.auth.sign_in.identity import Browser, MfaRequired, SignedIn, VerifiedIdentity
from chat_app.core.errors import ChatError, RateLimited
from chat_app.core.network import client_ip
from chat_app.gateway import cookies
from chat_app.services import services
from chat_app.settings import Settings
from chat_app.settings.validation import without_default_port

SIGN_IN_PAGE = "/signin"
CODE_PAGE = "/signin/code"

Fields = Mapping[str, str]

_CHECKED = ("on", "true", "1")
_MAX_LENGTH = 2_048


def safe_callback_url(
    url: str | None, settings: Settings, *, base: str | None = None, default: str = "/"
) -> str:
    """An absolute URL of this server, to redirect to.

    Args:
        url: The requested `callbackUrl`: a path, or a URL of one of `settings.origins`.
        settings: Decides which origins are ours.
        base: The origin of a path, one of `settings.origins`; `settings.url` when None.
        default: The path when the requested URL is missing or not ours.
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
    given = f"{parts.scheme}://{parts.netloc}".lower()
    origin = without_default_port(given)
    if origin not in settings.origins:
        return None
    rest = url[len(given) :]
    rest = rest if rest.startswith("/") else "/" + rest
    return origin + rest if _is_plain(rest) else None


def _is_plain(path: str) -> bool:
    # A proxy or a router may decode the path again, and must still see one of our paths.
    path = path.partition("?")[0].partition("#")[0]
    for _ in range(3):
        if path.startswith("//") or "\\" in path or not path.isprintable():
            return False
        path = unquote(path)
    return True


def no_content() -> Response:
    """204."""
    return Response(status_code=204, headers=NO_STORE)


def json_response(content: Any, status: int = 200) -> Response:
    """JSON that must not be cached.

    Args:
        content: A model, or JSON values.
        status: The status.
    """
    if isinstance(content, BaseModel):
        text = content.model_dump_json(by_alias=True)
        return Response(text, status, NO_STORE, "application/json")
    return JSONResponse(content, status, NO_STORE)


def timestamp(time: datetime) -> str:
    """A time exactly as JavaScript's `toISOString` writes it."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


Timestamp = Annotated[
    datetime,
    PlainSerializer(timestamp, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time in a `ResponseModel`."""


class ResponseModel(BaseModel):
    """JSON with exactly these fields; `thread_id` is sent as `threadId`."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )


class NextPage(ResponseModel):
    """Where to go now."""

    url: str


def client_of(request: Request) -> str:
    """The IP address of the client, behind the trusted proxies."""
    return client_ip(request.scope, services().settings.trusted_proxy_hops)


def browser_of(request: Request, fields: Fields) -> Browser:
    """The browser that signs in.

    Args:
        request: The request.
        fields: The form; `remember` keeps the session when the browser closes.
    """
    previous: Principal | None = request.scope.get("principal")
    return Browser(
        client_ip=client_of(request),
        user_agent=request.headers.get("user-agent", ""),
        replaces=previous.credential_id if previous else None,
        remember=is_checked(fields, "remember"),
        device=read_cookie(request, cookies.DEVICE),
    )


def is_checked(fields: Fields, name: str) -> bool:
    """Whether a checkbox of a form is checked."""
    return fields.get(name) in _CHECKED


async def complete_sign_in(
    request: Request, identity: VerifiedIdentity, fields: Fields
) -> Response:
    """Sign in with a verified identity, and respond."""
    result = await services().sign_in_service.sign_in(identity, browser_of(request, fields))
    return await sign_in_response(request, result, fields)


async def sign_in_response(
    request: Request, result: SignedIn | MfaRequired, fields: Fields
) -> Response:
    """Redirect to `callbackUrl`, or to the page for the second factor."""
    if isinstance(result, MfaRequired):
        response = redirect_to_page(request, CODE_PAGE, _callback_query(request, fields))
        set_cookie(response, cookies.CHALLENGE, result.token, max_age=result.lifetime)
        return response
    response = redirect(request, target_of(request, fields))
    set_session_cookie(response, result.issued)
    await remember_known_browser(request, response, result.user_id)
    if read_cookie(request, cookies.CHALLENGE):
        clear_cookie(response, cookies.CHALLENGE)
    return response


async def known_browser_of(request: Request, email: str) -> str:
    """What limits per known browser count; empty if this one is not known for the email."""
    return await services().known_browsers.find(read_cookie(request, cookies.KNOWN), email)


async def own_known_browser(request: Request) -> str:
    """The same for the email of the signed-in user."""
    resolved: ResolvedSession | None = request.scope.get("session")
    return await known_browser_of(request, resolved.user.email) if resolved else ""


async def remember_known_browser(request: Request, response: Response, user_id: UUID) -> None:
    """Make the browser a known one of a user who has just proved who they are."""
    value = await services().known_browsers.remember(read_cookie(request, cookies.KNOWN), user_id)
    set_cookie(response, cookies.KNOWN, value, max_age=KNOWN_LIFETIME)


def forget_known_browser(request: Request, response: Response, user_id: UUID) -> None:
    """Remove a deleted user from the browser's cookie."""
    if cookie := read_cookie(request, cookies.KNOWN):
        value = services().known_browsers.forget(cookie, user_id)
        set_cookie(response, cookies.KNOWN, value, max_age=KNOWN_LIFETIME if value else 0)


def error_redirect(request: Request, error: ChatError, page: str, fields: Fields) -> Response:
    """Redirect to a page with `?error=`.

    To a script, wrong credentials are a 200 as in Auth.js; other errors have their own status.

    Args:
        request: The request.
        error: The error.
        page: The path of the page.
        fields: The form; `callbackUrl` is kept.

    Raises:
        ChatError: The error itself, when it is the server's (5xx).
    """
    if error.status >= 500:
        raise error
    log_failure(request, error)
    query = {"error": error_code_of(error)}
    if isinstance(error, InvalidCredentials):
        query["code"] = "credentials"
    status = 200 if isinstance(error, InvalidCredentials) else error.status
    response = redirect_to_page(request, page, query | _callback_query(request, fields), status)
    if isinstance(error, RateLimited):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def redirect(request: Request, url: str, status: int = 200) -> Response:
    """A 303, or for a script `{"url": …}`.

    Args:
        request: The request.
        url: Where to go.
        status: The status for a script.
    """
    if wants_url(request):
        return json_response({"url": url}, status)
    return RedirectResponse(url, 303, NO_STORE)


def redirect_to_page(
    request: Request, page: str, query: Fields | None = None, status: int = 200
) -> Response:
    """`redirect` to a path of the page that sent the request."""
    url = f"{home_of(request)}{page}"
    return redirect(request, f"{url}?{urlencode(query)}" if query else url, status)


def read_cookie(request: Request, name: str) -> str | None:
    """The value of a cookie, or None."""
    return cookies.first(cookies.parse(request.scope["headers"]), services().settings, name)


def set_cookie(
    response: Response, name: str, value: str, *, max_age: int | timedelta | None = None
) -> None:
    """Set a cookie with the attributes of `gateway.cookies`.

    Args:
        response: Gets the header.
        name: One of the names of `gateway.cookies`.
        value: base64url, hex or a compact JWE.
        max_age: How long the browser keeps it, in seconds; None keeps it until it is closed.
    """
    seconds = int(max_age.total_seconds()) if isinstance(max_age, timedelta) else max_age
    header = cookies.write(services().settings, name, value, max_age=seconds)
    response.headers.append("set-cookie", header)


def clear_cookie(response: Response, name: str) -> None:
    """Delete a cookie."""
    set_cookie(response, name, "", max_age=0)


def set_session_cookie(response: Response, issued: IssuedSession) -> None:
    """Set the session cookie to a new token."""
    set_cookie(response, cookies.SESSION, issued.token, max_age=issued.max_age)


def clear_session_cookie(response: Response) -> None:
    """Delete the session cookie."""
    clear_cookie(response, cookies.SESSION)


def target_of(request: Request, fields: Fields, default: str = "/") -> str:
    """The URL of `callbackUrl` when it is one of ours, else of the default."""
    settings = services().settings
    home = home_of(request)
    return safe_callback_url(fields.get("callbackUrl"), settings, base=home, default=default)


def home_of(request: Request) -> str:
    """The origin of the page that sent the request."""
    # In development the page is on another port than the server; redirects stay on the page's.
    settings = services().settings
    origin = request.headers.get("origin", "").lower()
    return origin if origin in settings.origins else settings.url


def _callback_query(request: Request, fields: Fields) -> dict[str, str]:
    home = home_of(request)
    target = target_of(request, fields)
    return {} if target == f"{home}/" else {"callbackUrl": target.removeprefix(home)}
