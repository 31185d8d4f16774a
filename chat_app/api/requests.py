"""What routes read from a request: the principal, ids, queries and JSON bodies."""

import functools
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo
from starlette.exceptions import HTTPException
from starlette.requests import Request

from chat_app.auth.keys.scopes import require_scope
from chat_app.auth.principal import Principal, Scope
from chat_app.auth.sessions.models import ResolvedSession
from chat_app.auth.sign_in.step_up import require_fresh
from chat_app.core.errors import InvalidInput, InvalidJson, NotFound, TooLarge, Unauthenticated
from chat_app.services import services

PrincipalRoute = Callable[[Request, Principal], Awaitable[Any]]

_Model = TypeVar("_Model", bound=BaseModel)
_UUID_LENGTH = 36


class Body(BaseModel):
    """A JSON body with exactly these fields."""

    model_config = ConfigDict(strict=True, extra="forbid", use_attribute_docstrings=True)


class Query(BaseModel):
    """Parameters of a query; others are ignored.

    Every value is text, and empty text is the default of one: use `WholeNumber` for numbers.
    """

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)


def _whole_number(value: object, info: ValidationInfo) -> object:
    if isinstance(value, int):  # a default
        return value
    text = str(value)
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise InvalidInput(f"{info.field_name} must be a whole number.")
    return int(text)


WholeNumber = Annotated[int, BeforeValidator(_whole_number)]
"""A number in a query: up to nine digits."""


def current_principal(request: Request, scope: Scope | None = None) -> Principal:
    """The principal of a request.

    Args:
        request: The request.
        scope: The scope that an API key needs; None refuses every key.

    Raises:
        Unauthenticated: The request has no session or key.
        ApiKeyNotAllowed, InsufficientScope: See `require_scope`.
    """
    principal = request.scope.get("principal")
    if not isinstance(principal, Principal):
        raise Unauthenticated
    require_scope(principal, scope)
    return principal


def signed_in(
    route: PrincipalRoute, scope: Scope | None = None
) -> Callable[[Request], Awaitable[Any]]:
    """A route for signed-in users; other requests are refused before the body is read.

    Args:
        route: Takes the request and its principal.
        scope: The scope that an API key needs; None refuses every key.
    """

    @functools.wraps(route)
    async def handle(request: Request) -> Any:
        return await route(request, current_principal(request, scope))

    return handle


def fresh(route: PrincipalRoute) -> Callable[[Request], Awaitable[Any]]:
    """A route for sensitive changes: the user must have authenticated lately (ASVS 7.5.1).

    Other requests are refused before the body is read: without a session with 401, and with 403
    and `step_up_required` when the user must authenticate again.

    Args:
        route: Takes the request and its principal.
    """

    @signed_in
    async def handle(request: Request, principal: Principal) -> Any:
        require_step_up(request)
        return await route(request, principal)

    return handle


def require_step_up(request: Request) -> None:
    """Refuse a request whose user has not authenticated lately; see `fresh`.

    Raises:
        Unauthenticated: The request has no session.
        StepUpRequired: The user must confirm their identity.
    """
    resolved = request.scope.get("session")
    if not isinstance(resolved, ResolvedSession):
        raise Unauthenticated
    require_fresh(resolved, services().clock(), services().settings)


def admin(route: PrincipalRoute) -> Callable[[Request], Awaitable[Any]]:
    """A route for site admins who have authenticated lately; to others it does not exist.

    Args:
        route: Takes the request and its principal.
    """
    confirmed = fresh(route)

    @signed_in
    async def handle(request: Request, principal: Principal) -> Any:
        if principal.site_role != "admin":
            raise HTTPException(404)  # as for a path that no route has
        return await confirmed(request)

    return handle


def id_of(text: str) -> UUID:
    """The id in a path or a body.

    Raises:
        NotFound: It is no UUID in its usual form.
    """
    try:
        if len(text) != _UUID_LENGTH:
            raise ValueError
        return UUID(text)
    except ValueError:
        raise NotFound from None


def read_query(request: Request, model: type[_Model]) -> _Model:
    """The query of a request, validated.

    Args:
        request: The request.
        model: The form of the query.

    Raises:
        InvalidInput: A parameter is invalid. The message names it.
    """
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise _invalid(error, "The query is not valid.") from None


async def read_body(request: Request, max_bytes: int, message: str) -> bytes:
    """The body of a request.

    Args:
        request: The request.
        max_bytes: The largest body.
        message: The error's message.

    Raises:
        TooLarge: The body is larger.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(message)
    return bytes(body)


async def read_json(request: Request, model: type[_Model], *, max_bytes: int) -> _Model:
    """The body of a request, validated; an empty one counts as `{}`.

    Args:
        request: The request.
        model: The form of the body.
        max_bytes: The largest body.

    Raises:
        TooLarge: The body is larger.
        InvalidJson: It is not JSON.
        InvalidInput: It is not of that form. The message names the field.
    """
    message = f"The request can be at most {max_bytes // 1000} kB."
    body = await read_body(request, max_bytes, message)
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        if error.errors(include_url=False)[0]["type"] == "json_invalid":
            raise InvalidJson("The request is not valid JSON.") from None
        raise _invalid(error, "The request must be a JSON object.") from None


_EXPLAINED = {
    "missing": "{field} is required.",
    "extra_forbidden": "{field} is not known here.",
    "literal_error": "{field} must be {expected}.",
    "string_too_long": "{field} has more than {max_length} characters.",
    "too_long": "{field} has more than {max_length} items.",
    "greater_than_equal": "{field} must be at least {ge}.",
    "less_than_equal": "{field} must be at most {le}.",
}
"""The type of an error of pydantic → the message of a field; of others, that it is not valid."""


def _invalid(error: ValidationError, otherwise: str) -> InvalidInput:
    """What is wrong, naming the first field that is."""
    first = error.errors(include_url=False, include_input=False)[0]
    # pydantic puts the branch of a union behind the field, such as literal['regular','archived']
    names = [str(part) for part in first["loc"] if not str(part).startswith("literal[")]
    field = ".".join(names)[:100]
    if not field:
        return InvalidInput(otherwise)
    explained = _EXPLAINED.get(first["type"], "{field} is not valid here.")
    return InvalidInput(explained.format(field=field, **first.get("ctx", {})), field)
