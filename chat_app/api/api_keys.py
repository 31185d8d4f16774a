"""`/api/account/api-keys`: a user's API keys. A key itself cannot reach these routes."""

from uuid import UUID

from pydantic import Field
from starlette.requests import Request

from chat_app.api.requests import Body, id_of
from chat_app.api.responses import ResponseModel, Timestamp
from chat_app.api.routing import Routes
from chat_app.auth.keys.scopes import SCOPES
from chat_app.auth.principal import Principal, Scope
from chat_app.services import services

MAX_BYTES = 4_000
"""The largest request."""

routes = Routes()


class NewApiKey(Body):
    """What a user chooses for a key."""

    name: str = Field("", max_length=1_000)
    """Empty for a default."""
    scopes: list[str] = Field(max_length=len(SCOPES))
    """What the key may do."""
    expiresInDays: int | None = None
    """One of the offered lifetimes; null for a key that does not expire."""


class CreatedApiKey(ResponseModel):
    """A key that was just created."""

    id: UUID
    key: str
    """The key itself, which is in this response only."""
    expires_at: Timestamp | None


class ApiKeyItem(ResponseModel):
    """A key as the list has it."""

    id: UUID
    name: str
    scopes: tuple[Scope, ...]
    created_at: Timestamp
    last_used_at: Timestamp | None
    """To within a minute."""
    expires_at: Timestamp | None
    expired: bool


class ApiKeyList(ResponseModel):
    """The user's keys, the newest first."""

    api_keys: list[ApiKeyItem]


@routes.signed_in("GET", "/api/account/api-keys", response=ApiKeyList)
async def list_keys(_request: Request, principal: Principal) -> ApiKeyList:
    """The user's keys, the newest first."""
    return ApiKeyList(
        api_keys=[
            ApiKeyItem(
                id=key.id,
                name=key.name,
                scopes=key.scopes,
                created_at=key.created_at,
                last_used_at=key.last_used_at,
                expires_at=key.expires_at,
                expired=key.is_expired,
            )
            for key in await services().api_keys.list(principal)
        ]
    )


@routes.fresh(
    "POST",
    "/api/account/api-keys",
    body=NewApiKey,
    max_bytes=MAX_BYTES,
    response=CreatedApiKey,
    status=201,
    errors=(409,),
)
async def create(_request: Request, principal: Principal, body: NewApiKey) -> CreatedApiKey:
    """Create a key. It is in this response only."""
    made = await services().api_keys.create(
        principal, name=body.name, scopes=body.scopes, days=body.expiresInDays
    )
    return CreatedApiKey(id=made.id, key=made.token, expires_at=made.expires_at)


@routes.signed_in("DELETE", "/api/account/api-keys/{id}")
async def revoke(request: Request, principal: Principal) -> None:
    """Revoke a key, with its requests and running answers."""
    await services().api_keys.revoke(principal, id_of(request.path_params["id"]))
