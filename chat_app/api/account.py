"""`/api/account`: what a person changes about themselves."""

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat_app.api.errors import NO_STORE
from chat_app.api.requests import read_json, signed_in
from chat_app.auth.principal import Principal
from chat_app.services import services

MAX_BYTES = 8_000
"""The largest request, but for a picture."""


class Profile(BaseModel):
    """What may be changed of a profile."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: str


@signed_in
async def change(request: Request, principal: Principal) -> Response:
    """Change the person's name."""
    wanted = await read_json(request, Profile, most=MAX_BYTES)
    await services().profiles.rename(principal, wanted.name)
    return Response(status_code=204, headers=NO_STORE)


routes = [Route("/api/account", change, methods=["PATCH"])]
