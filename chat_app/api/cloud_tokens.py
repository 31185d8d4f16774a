"""The tokens of AssistantCloud's client, and the kind of route that takes them.

The client is assistant-ui's own: `new AssistantCloud({ baseUrl, authToken })` of the npm package
`assistant-cloud` (`packages/cloud/src`).
"""

import functools
from typing import Any, TypeVar, Unpack

from pydantic import ConfigDict
from starlette.requests import Request

from chat_app.api.responses import ResponseModel, Timestamp
from chat_app.api.routing import Declaration, Handler, Routes
from chat_app.auth.principal import Principal
from chat_app.core.errors import Forbidden
from chat_app.services import services

_T = TypeVar("_T", bound=Handler)


class WrongUser(Forbidden):
    """The request names another user than the one of its credential."""

    code = "wrong_user"

    def __init__(self) -> None:
        super().__init__(
            "This credential acts for its own user alone. Send no other user in Aui-User-Id."
        )


class CloudRoutes(Routes):
    """Routes on which a request may repeat its user in `Aui-User-Id`, and name no other."""

    def signed_in(self, methods: str, path: str, **declared: Unpack[Declaration]) -> Any:
        """A route for the user of a token or an API key; see `Routes.signed_in`."""
        add = super().signed_in(methods, path, **declared)

        def add_checked(handler: _T) -> _T:
            @functools.wraps(handler)
            async def checked(request: Request, principal: Principal, **inputs: Any) -> Any:
                if request.headers.get("aui-user-id", str(principal.user_id)) != str(
                    principal.user_id
                ):
                    raise WrongUser
                return await handler(request, principal, **inputs)

            add(checked)
            return handler

        return add_checked


class CloudModel(ResponseModel):
    """JSON with the names of its fields, as AssistantCloud has them."""

    model_config = ConfigDict(alias_generator=None)


class IssuedToken(ResponseModel):
    """A token for AssistantCloud's client."""

    token: str
    expires_at: Timestamp


class BackendToken(CloudModel):
    """A token that stands for the API key."""

    token: str


session_routes = Routes()
cloud_routes = CloudRoutes()


@session_routes.signed_in("POST", "/api/cloud/token", response=IssuedToken)
async def issue_token(_request: Request, principal: Principal) -> IssuedToken:
    """A token for AssistantCloud's client, for five minutes; it ends with the session."""
    issued = services().cloud_tokens.issue(principal)
    return IssuedToken(token=issued.token, expires_at=issued.expires_at)


@cloud_routes.signed_in("POST", "/v1/auth/tokens", response=BackendToken, scope="threads:read")
async def issue_backend_token(_request: Request, principal: Principal) -> BackendToken:
    """A token that stands for the API key, for five minutes."""
    return BackendToken(token=services().cloud_tokens.issue(principal).token)


@cloud_routes.public("POST", "/v1/auth/tokens/anonymous", "/v1/auth/tokens/refresh", errors=(403,))
async def refuse_anonymous(_request: Request) -> None:
    """Refused: there are no anonymous users."""
    raise Forbidden("There are no anonymous users here. Sign in, and use a token.")


routes = [*session_routes, *cloud_routes]
