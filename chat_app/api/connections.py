"""`/api/account/connections`: connecting an account elsewhere, and taking it away again."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chat_app.api.errors import NO_STORE
from chat_app.api.oauth import CONNECTIONS_PAGE, remember_transaction
from chat_app.api.requests import fresh, id_of
from chat_app.api.responses import client_of, home_of
from chat_app.auth.oauth.service import OAuthRequest
from chat_app.auth.principal import Principal
from chat_app.services import services


@fresh
async def connect(request: Request, principal: Principal) -> Response:
    """Begin to connect an account; the answer says where the browser goes."""
    live = services()
    page = home_of(request, live.settings) + CONNECTIONS_PAGE
    oauth_request = OAuthRequest(callback_url=page, link_to=principal)
    started = await live.oauth.start(
        request.path_params["provider"], oauth_request, client_of(request)
    )
    answer = JSONResponse({"url": started.url}, headers=NO_STORE)
    remember_transaction(request, answer, started)
    return answer


@fresh
async def disconnect(request: Request, principal: Principal) -> Response:
    """Take one of the person's connections away."""
    await services().linked_accounts.unlink(principal, id_of(request.path_params["id"]))
    return Response(status_code=204, headers=NO_STORE)


routes = [
    Route("/api/account/connections/{provider}", connect, methods=["POST"]),
    Route("/api/account/connections/{id}", disconnect, methods=["DELETE"]),
]
