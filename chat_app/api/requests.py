"""What every route of signed-in people does first: who, which, and what."""

import functools
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import ResolvedSession
from chat_app.auth.sign_in.step_up import require_fresh
from chat_app.core.errors import InvalidInput, NotFound, TooLarge, Unauthenticated
from chat_app.services import services

Signed = Callable[[Request, Principal], Awaitable[Response]]

_Body = TypeVar("_Body", bound=BaseModel)
_HYPHENATED = 36


def current_principal(request: Request) -> Principal:
    """Who is asking.

    Raises:
        Unauthenticated: Nobody is signed in.
    """
    principal = request.scope.get("principal")
    if not isinstance(principal, Principal):
        raise Unauthenticated
    return principal


def signed_in(route: Signed) -> Callable[[Request], Awaitable[Response]]:
    """A route for signed-in people only; everybody else is refused before the body is read.

    Args:
        route: Takes the request and who is asking.
    """

    @functools.wraps(route)
    async def checked(request: Request) -> Response:
        return await route(request, current_principal(request))

    return checked


def fresh(route: Signed) -> Callable[[Request], Awaitable[Response]]:
    """A route for people who proved lately who they are (ASVS 7.5.1): for sensitive changes.

    Everybody else is refused before the body is read: nobody with 401, and with 403 and
    `step_up_required` who must prove it again.

    Args:
        route: Takes the request and who is asking.
    """

    @functools.wraps(route)
    async def checked(request: Request) -> Response:
        principal = current_principal(request)
        resolved = request.scope.get("session")
        if not isinstance(resolved, ResolvedSession):
            raise Unauthenticated
        live = services()
        require_fresh(resolved, live.clock(), live.settings)
        return await route(request, principal)

    return checked


def id_of(text: str) -> UUID:
    """The id that a path or a body names.

    Raises:
        NotFound: It is no UUID in its usual form, so there is nothing under it.
    """
    try:
        if len(text) != _HYPHENATED:
            raise ValueError
        return UUID(text)
    except ValueError:
        raise NotFound from None


def number(request: Request, name: str, default: int) -> int:
    """A whole number from the query.

    Raises:
        InvalidInput: It is something else.
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise InvalidInput(f"{name} must be a whole number.")
    return int(text)


async def read_json(request: Request, form: type[_Body], *, most: int) -> _Body:
    """The body of a request, checked; an empty one counts as `{}`.

    Args:
        request: The request.
        form: What the body must look like.
        most: The largest body, in bytes.

    Raises:
        TooLarge: The body has more than `most` bytes.
        InvalidInput: It is not JSON, or not of that form. The sentence names the field.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise TooLarge(f"The request can have at most {most // 1000} kB.")
    try:
        return form.model_validate_json(bytes(body) or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:100]
        says = "The request is not valid JSON." if not where else f"{where} is not valid here."
        raise InvalidInput(says) from None
