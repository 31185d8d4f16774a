"""`/api/account/setup`: the setup link makes a user the first admin."""

from starlette.requests import Request

from chat_app.api.requests import Body
from chat_app.api.responses import NextPage
from chat_app.api.routing import Routes
from chat_app.auth.principal import Principal
from chat_app.services import services

routes = Routes()


class SetupToken(Body):
    """The token behind the `#` of the link."""

    token: str


@routes.signed_in(
    "POST", "/api/account/setup", body=SetupToken, response=NextPage, errors=(403, 404)
)
async def become_admin(_request: Request, principal: Principal, body: SetupToken) -> NextPage:
    """Become the first admin of an installation whose URL is this machine."""
    await services().setup_links.use(principal, body.token)
    return NextPage(url="/admin")
