"""Signing in at a provider: going there, and coming back.

What comes back is answered in one way, whatever was wrong with it: one page, one sentence, a way
to begin again.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat_app.api.forms import check_csrf, read_form
from chat_app.api.responses import (
    SIGN_IN_PAGE,
    browser_of,
    enter,
    go,
    refused,
    set_cookie,
    target_of,
)
from chat_app.auth.errors import OAuthCallbackFailed
from chat_app.auth.oauth.client import AuthorizationResponse, read_authorization_response
from chat_app.auth.oauth.service import (
    TRANSACTION_LIFETIME,
    AuthorizationRedirect,
    OAuthCallback,
    OAuthRequest,
)
from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError
from chat_app.gateway import cookies
from chat_app.services import services

CONNECTIONS_PAGE = "/settings/connections"

_AT_ONCE = 5  # sign-ins one browser may have begun; the oldest are forgotten


async def sign_in(request: Request) -> Response:
    """Begin to sign in at a provider; `callbackUrl` is where to go afterwards."""
    fields = await read_form(request)
    browser = browser_of(request, fields)
    oauth_request = OAuthRequest(callback_url=target_of(request, fields), remember=browser.remember)
    try:
        check_csrf(request, fields)
        provider = request.path_params["provider"]
        started = await services().oauth.start(provider, oauth_request, browser.address)
    except ChatError as error:
        return refused(request, error, SIGN_IN_PAGE, fields)
    answer = go(request, started.url)
    remember_transaction(request, answer, started)
    return answer


async def callback(request: Request) -> Response:
    """Come back from a provider."""
    live = services()
    said = read_authorization_response(request.scope["query_string"])
    name = cookies.transaction_name(live.settings, said.state)
    binding = cookies.read(request.scope["headers"], name)
    who: Principal | None = request.scope.get("principal")
    fields: dict[str, str] = {}
    try:
        returned = await live.oauth.resume(request.path_params["provider"], said, binding)
        if returned.oauth_request.link_to is None:
            fields = _fields(returned.oauth_request)
            identity = await live.oauth.verify(returned, said)
            outcome = await live.sign_in_service.sign_in(identity, browser_of(request, fields))
            answer = enter(request, outcome, fields)
        else:
            answer = await _link(request, returned, said, who)
    except ChatError as error:
        # Who is signed in is never shown the sign-in page.
        answer = refused(request, error, CONNECTIONS_PAGE if who else SIGN_IN_PAGE, fields)
    if binding:
        set_cookie(answer, cookies.clear(live.settings, name))
    return answer


async def _link(
    request: Request, returned: OAuthCallback, said: AuthorizationResponse, who: Principal | None
) -> Response:
    """Connect what somebody came back with, if they are still who began it."""
    live, began = services(), returned.oauth_request.link_to
    if who is None or began is None or who.credential_id != began.credential_id:
        raise OAuthCallbackFailed
    await live.linked_accounts.link(who, await live.oauth.verify(returned, said))
    return go(request, target_of(request, _fields(returned.oauth_request)))


routes = [
    Route("/api/auth/signin/{provider}", sign_in, methods=["POST"]),
    Route("/api/auth/callback/{provider}", callback, methods=["GET"]),
]
"""After the routes of the other methods: a provider's name must not hide one."""


def remember_transaction(
    request: Request, answer: Response, started: AuthorizationRedirect
) -> None:
    """Tie a transaction to this browser, which keeps a few of them at once."""
    settings, headers = services().settings, request.scope["headers"]
    for old in cookies.transactions(headers, settings)[: 1 - _AT_ONCE]:
        set_cookie(answer, cookies.clear(settings, old))
    name = cookies.transaction_name(settings, started.state)
    max_age = int(TRANSACTION_LIFETIME.total_seconds())
    set_cookie(answer, cookies.write(settings, name, started.binding, max_age=max_age))


def _fields(oauth_request: OAuthRequest) -> dict[str, str]:
    return {
        "callbackUrl": oauth_request.callback_url,
        "remember": "true" if oauth_request.remember else "",
    }
