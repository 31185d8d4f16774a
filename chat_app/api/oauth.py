"""Identity providers: sign-in, its callback, and linking their accounts to a user.

Every failed callback has one response: a redirect to the page where the user can start again.
"""

from starlette.requests import Request
from starlette.responses import Response

from chat_app.api.requests import id_of
from chat_app.api.responses import (
    SIGN_IN_PAGE,
    Fields,
    NextPage,
    clear_cookie,
    client_of,
    complete_sign_in,
    error_redirect,
    home_of,
    is_checked,
    json_response,
    read_cookie,
    redirect,
    set_cookie,
    target_of,
)
from chat_app.api.routing import Routes
from chat_app.auth.errors import OAuthCallbackFailed
from chat_app.auth.oauth.client import read_authorization_response
from chat_app.auth.oauth.service import TRANSACTION_LIFETIME, AuthorizationRedirect, OAuthRequest
from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError
from chat_app.gateway import cookies
from chat_app.services import services

LINKED_ACCOUNTS_PAGE = "/settings/security"

_MAX_TRANSACTIONS = 5  # started sign-ins of one browser; the oldest are dropped

routes = Routes()
"""After the routes of the other methods: a provider's id must not hide one."""


@routes.form("/api/auth/signin/{provider}", error_page=SIGN_IN_PAGE, fields=("remember",))
async def sign_in(request: Request, fields: Fields) -> Response:
    """Start a sign-in at an identity provider; `callbackUrl` is where it leads."""
    remember = is_checked(fields, "remember")
    started = await _start(request, OAuthRequest(target_of(request, fields), remember))
    return _bound(request, redirect(request, started.url), started)


@routes.public("GET", "/api/auth/callback/{provider}", redirects=True)
async def callback(request: Request) -> Response:
    """Finish a sign-in, or link the account if the session is still the one that started it."""
    authorization = read_authorization_response(request.scope["query_string"])
    name = cookies.transaction(authorization.state)
    binding = read_cookie(request, name)
    principal: Principal | None = request.scope.get("principal")
    oauth = services().oauth
    fields: dict[str, str] = {}
    try:
        returned = await oauth.resume(request.path_params["provider"], authorization, binding)
        starter = returned.oauth_request.link_to
        if starter is None:
            fields = _fields(returned.oauth_request)
            identity = await oauth.verify(returned, authorization)
            response = await complete_sign_in(request, identity, fields)
        elif principal is None or principal.credential_id != starter.credential_id:
            raise OAuthCallbackFailed
        else:
            identity = await oauth.verify(returned, authorization)
            await services().linked_accounts.link(principal, identity)
            response = redirect(request, target_of(request, _fields(returned.oauth_request)))
    except ChatError as error:
        # A signed-in user is never shown the sign-in page.
        page = LINKED_ACCOUNTS_PAGE if principal else SIGN_IN_PAGE
        response = error_redirect(request, error, page, fields)
    if binding:
        clear_cookie(response, name)
    return response


@routes.fresh("POST", "/api/account/connections/{provider}", response=NextPage, errors=(409,))
async def link_account(request: Request, principal: Principal) -> Response:
    """Start linking an account at an identity provider; the response names the URL to go to."""
    callback_url = home_of(request) + LINKED_ACCOUNTS_PAGE
    started = await _start(request, OAuthRequest(callback_url, link_to=principal))
    return _bound(request, json_response(NextPage(url=started.url)), started)


@routes.fresh("DELETE", "/api/account/connections/{id}", errors=(409,))
async def unlink_account(request: Request, principal: Principal) -> None:
    """Unlink one of the user's accounts."""
    await services().linked_accounts.unlink(principal, id_of(request.path_params["id"]))


async def _start(request: Request, oauth_request: OAuthRequest) -> AuthorizationRedirect:
    provider = request.path_params["provider"]
    return await services().oauth.start(provider, oauth_request, client_of(request))


def _bound(request: Request, response: Response, started: AuthorizationRedirect) -> Response:
    """Bind a transaction to this browser, which keeps a few of them at once."""
    open_ones = cookies.transactions(request.scope["headers"], services().settings)
    for old in open_ones[: 1 - _MAX_TRANSACTIONS]:
        clear_cookie(response, old)
    name = cookies.transaction(started.state)
    set_cookie(response, name, started.binding, max_age=TRANSACTION_LIFETIME)
    return response


def _fields(oauth_request: OAuthRequest) -> dict[str, str]:
    return {
        "callbackUrl": oauth_request.callback_url,
        "remember": "true" if oauth_request.remember else "",
    }
