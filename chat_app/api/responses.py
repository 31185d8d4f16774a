"""Where a person may be sent after signing in or out: to a page of this program, nowhere else."""

from collections.abc import Mapping
from urllib.parse import unquote, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from chat_app.api.errors import NO_STORE, wants_url
from chat_app.auth.errors import InvalidCredentials, error_code_of
from chat_app.auth.principal import Principal
from chat_app.auth.sign_in.identity import Browser, MfaRequired, SignedIn
from chat_app.core.errors import ChatError, RateLimited
from chat_app.core.network import client_ip
from chat_app.gateway import cookies
from chat_app.services import services
from chat_app.settings import Settings

_MAX_LENGTH = 2_048


def safe_callback_url(
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


SIGN_IN_PAGE = "/signin"
CODE_PAGE = "/signin/code"

_ON = ("on", "true", "1")

Fields = Mapping[str, str]


def client_of(request: Request) -> str:
    """The address of the client, as far as it can be believed."""
    return client_ip(request.scope, services().settings.trusted_proxy_hops)


def browser_of(request: Request, fields: Fields) -> Browser:
    """Where a sign-in happens.

    Args:
        request: The request.
        fields: What was posted; `remember` keeps the session past the browser.
    """
    settings = services().settings
    before: Principal | None = request.scope.get("principal")
    return Browser(
        address=client_of(request),
        user_agent=request.headers.get("user-agent", ""),
        replaces=before.credential_id if before else None,
        remember=is_on(fields, "remember"),
        device=cookies.read(request.scope["headers"], cookies.device_name(settings)),
    )


def is_on(fields: Fields, name: str) -> bool:
    """Whether a box of a form was ticked."""
    return fields.get(name) in _ON


def enter(request: Request, outcome: SignedIn | MfaRequired, fields: Fields) -> Response:
    """Take somebody where they wanted to go, or to the page that asks for the second factor."""
    settings = services().settings
    challenge = cookies.challenge_name(settings)
    if isinstance(outcome, MfaRequired):
        query = _callback_query(request, fields)
        answer = go(request, _page(request, CODE_PAGE, query))
        max_age = int(outcome.lasts.total_seconds())
        set_cookie(answer, cookies.write(settings, challenge, outcome.token, max_age=max_age))
        return answer
    issued = outcome.issued
    answer = go(request, target_of(request, fields))
    name = cookies.session_name(settings)
    set_cookie(answer, cookies.write(settings, name, issued.token, max_age=issued.max_age))
    if cookies.read(request.scope["headers"], challenge):
        set_cookie(answer, cookies.clear(settings, challenge))
    return answer


def refused(request: Request, error: ChatError, page: str, fields: Fields) -> Response:
    """Back to a page, which says why.

    Wrong credentials answer 200 as Auth.js does, other refusals their own status.

    Args:
        request: The request.
        error: The refusal.
        page: The path of the page.
        fields: What was posted; `callbackUrl` is kept.

    Raises:
        ChatError: The error itself, when it is our own failure and no refusal.
    """
    if error.status >= 500:
        raise error
    query = {"error": error_code_of(error)}
    if isinstance(error, InvalidCredentials):
        query["code"] = "credentials"
    status = 200 if isinstance(error, InvalidCredentials) else error.status
    answer = go(request, _page(request, page, query | _callback_query(request, fields)), status)
    if isinstance(error, RateLimited):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def go(request: Request, url: str, status: int = 200) -> Response:
    """Send the browser on, or tell the script where to go.

    Args:
        request: The request.
        url: Where.
        status: What a script is answered with.
    """
    if wants_url(request):
        return JSONResponse({"url": url}, status, NO_STORE)
    return RedirectResponse(url, 303, NO_STORE)


def set_cookie(answer: Response, value: str) -> None:
    """Add one `Set-Cookie` header, as `auth.cookie` wrote it."""
    answer.headers.append("set-cookie", value)


def target_of(request: Request, fields: Fields, default: str = "/") -> str:
    """The page that `callbackUrl` names, when it is surely ours; else the default."""
    settings = services().settings
    home = home_of(request, settings)
    return safe_callback_url(fields.get("callbackUrl"), settings, base=home, default=default)


def home_of(request: Request, settings: Settings) -> str:
    """The origin of the page that asks."""
    # While developing, the page is on another port than this; a person goes back to where they are.
    origin = request.headers.get("origin", "").lower()
    return origin if origin in settings.origins else settings.url


def _page(request: Request, page: str, query: Fields) -> str:
    url = f"{home_of(request, services().settings)}{page}"
    return f"{url}?{urlencode(query)}" if query else url


def _callback_query(request: Request, fields: Fields) -> dict[str, str]:
    home = home_of(request, services().settings)
    target = target_of(request, fields)
    return {} if target == f"{home}/" else {"callbackUrl": target.removeprefix(home)}
