"""`/api/auth`: sign-in at an identity provider, and its callback.

Every failed callback has one response: a redirect to the page where the user can start again.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat_app.api.forms import form_route
from chat_app.api.responses import (
    SIGN_IN_PAGE,
    Fields,
    browser_of,
    clear_cookie,
    error_redirect,
    read_cookie,
    redirect,
    set_cookie,
    sign_in_response,
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

LINKED_ACCOUNTS_PAGE = "/settings/connections"

_MAX_TRANSACTIONS = 5  # started sign-ins of one browser; the oldest are dropped


@form_route(SIGN_IN_PAGE)
async def sign_in(request: Request, fields: Fields) -> Response:
    """Start a sign-in at an identity provider; `callbackUrl` is where it leads."""
    browser = browser_of(request, fields)
    oauth_request = OAuthRequest(callback_url=target_of(request, fields), remember=browser.remember)
    provider = request.path_params["provider"]
    started = await services().oauth.start(provider, oauth_request, browser.client_ip)
    response = redirect(request, started.url)
    remember_transaction(request, response, started)
    return response


async def callback(request: Request) -> Response:
    """Finish a sign-in, or link the account."""
    authorization = read_authorization_response(request.scope["query_string"])
    name = cookies.transaction_name(services().settings, authorization.state)
    binding = read_cookie(request, name)
    principal: Principal | None = request.scope.get("principal")
    provider = request.path_params["provider"]
    fields: dict[str, str] = {}
    try:
        returned = await services().oauth.resume(provider, authorization, binding)
        if returned.oauth_request.link_to is None:
            fields = _fields(returned.oauth_request)
            identity = await services().oauth.verify(returned, authorization)
            outcome = await services().sign_in_service.sign_in(
                identity, browser_of(request, fields)
            )
            response = sign_in_response(request, outcome, fields)
        else:
            response = await _link(request, returned, authorization, principal)
    except ChatError as error:
        # A signed-in user is never shown the sign-in page.
        page = LINKED_ACCOUNTS_PAGE if principal else SIGN_IN_PAGE
        response = error_redirect(request, error, page, fields)
    if binding:
        clear_cookie(response, name)
    return response


async def _link(
    request: Request,
    returned: OAuthCallback,
    authorization: AuthorizationResponse,
    principal: Principal | None,
) -> Response:
    """Link the account, if the session is still the one that started it."""
    starter = returned.oauth_request.link_to
    if principal is None or starter is None or principal.credential_id != starter.credential_id:
        raise OAuthCallbackFailed
    await services().linked_accounts.link(
        principal, await services().oauth.verify(returned, authorization)
    )
    return redirect(request, target_of(request, _fields(returned.oauth_request)))


routes = [
    Route("/api/auth/signin/{provider}", sign_in, methods=["POST"]),
    Route("/api/auth/callback/{provider}", callback, methods=["GET"]),
]
"""After the routes of the other methods: a provider's id must not hide one."""


def remember_transaction(
    request: Request, response: Response, started: AuthorizationRedirect
) -> None:
    """Bind a transaction to this browser, which keeps a few of them at once."""
    settings, headers = services().settings, request.scope["headers"]
    for old in cookies.transactions(headers, settings)[: 1 - _MAX_TRANSACTIONS]:
        clear_cookie(response, old)
    name = cookies.transaction_name(settings, started.state)
    set_cookie(response, name, started.binding, max_age=TRANSACTION_LIFETIME)


def _fields(oauth_request: OAuthRequest) -> dict[str, str]:
    return {
        "callbackUrl": oauth_request.callback_url,
        "remember": "true" if oauth_request.remember else "",
    }
