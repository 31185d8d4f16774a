"""Route tables: each route of a module is declared above its handler.

A declaration says who may call the route, what it takes and what it responds. The handler gets
what was declared, validated, and the OpenAPI document is made from the same declarations:

    @routes.signed_in("GET", "/api/threads", query=ThreadsQuery, response=ThreadPage)
    async def page(request: Request, principal: Principal, query: ThreadsQuery) -> ThreadPage: ...

A handler returns what it declares, or None for 204, or a response of its own that has cookies or a
stream.
"""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat_app.api.errors import NO_STORE
from chat_app.api.forms import FormRoute, take_form
from chat_app.api.requests import admin, fresh, read_json, read_query, signed_in
from chat_app.api.responses import json_response, no_content
from chat_app.auth.principal import Scope
from chat_app.services import services

Handler = Callable[..., Awaitable[Any]]

EVENT_STREAM = "text/event-stream"
BODY_MAX_BYTES = 16_384
"""The largest JSON body of a route that does not say otherwise."""

_T = TypeVar("_T", bound=Callable[..., Awaitable[Any]])


class Declaration(TypedDict, total=False):
    """What a route may declare; see `Operation`."""

    query: type[BaseModel]
    body: type[BaseModel]
    max_bytes: int | None
    response: Any
    status: int
    statuses: tuple[int, ...]
    etag: bool
    is_stream: bool
    media_type: str
    no_content: bool
    accepted: bool
    redirects: bool
    fields: tuple[str, ...]
    takes: str
    errors: tuple[int, ...]
    scope: Scope | None


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What a route takes, returns and requires.

    Args:
        handler: The function below the declaration.
        access: Who may call it: everyone, everyone with a form, signed-in users, those who have
            authenticated lately, or site admins who have.
        query: The model of the query; the handler gets it as `query`.
        body: The model of the JSON body; the handler gets it as `body`.
        max_bytes: The largest body; None for `REQUEST_BYTES`.
        response: The type of what the handler returns: a `ResponseModel`, or any type that pydantic
            knows.
        status: The status of that response.
        statuses: Others that it may have.
        etag: Whether it has an `ETag`, and is 304 for a client that has the same version.
        is_stream: Whether the response is an event stream.
        media_type: The type of a response that is a file, such as `application/zip`.
        no_content: Whether the handler may also return None, for 204. It is all that a route
            returns which declares nothing else.
        accepted: Whether the response may also be 202, without a body.
        redirects: Whether it redirects a browser to a page.
        fields: The fields of a form that it reads.
        takes: The type of a body that is a file, such as `image/*`.
        errors: Statuses of errors that only this route has, such as 409.
        scope: What an API key must be allowed to do; None refuses every key.
    """

    handler: Handler
    access: Literal["public", "form", "signed_in", "fresh", "admin"]
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    max_bytes: int | None = BODY_MAX_BYTES
    response: Any = None
    status: int = 200
    statuses: tuple[int, ...] = ()
    etag: bool = False
    is_stream: bool = False
    media_type: str = ""
    no_content: bool = False
    accepted: bool = False
    redirects: bool = False
    fields: tuple[str, ...] = ()
    takes: str = ""
    errors: tuple[int, ...] = ()
    scope: Scope | None = None

    def __post_init__(self) -> None:
        """Check that the handler takes what is declared.

        Raises:
            TypeError: It does not.
        """
        second = {"public": [], "form": [{}]}.get(self.access, [None])
        inspect.signature(self.handler).bind(
            None, *second, **dict.fromkeys(name for name, _ in self._inputs)
        )

    @property
    def _inputs(self) -> list[tuple[str, type[BaseModel]]]:
        models = {"query": self.query, "body": self.body}
        return [(name, model) for name, model in models.items() if model is not None]

    @cached_property
    def _adapter(self) -> TypeAdapter[Any] | None:
        return None if self.response is None else TypeAdapter(self.response)

    async def call(self, request: Request, *principal: Any) -> Any:
        """Call the handler with the query and the body.

        Raises:
            InvalidInput: One of them is invalid.
            TooLarge: The body is.
        """
        inputs: dict[str, BaseModel] = {}
        if self.query is not None:
            inputs["query"] = read_query(request, self.query)
        if self.body is not None:
            max_bytes = self.max_bytes or services().settings.request_bytes
            inputs["body"] = await read_json(request, self.body, max_bytes=max_bytes)
        return await self.handler(request, *principal, **inputs)

    def respond(self, result: Any) -> Response:
        """The response to a request, from what its handler has returned.

        Raises:
            ValidationError: It is not what was declared.
        """
        if isinstance(result, Response):
            return result
        if result is None and (self.no_content or self._adapter is None):
            return no_content()
        if self._adapter is None:
            return json_response(result)
        checked = self._adapter.validate_python(result, strict=True)
        content = self._adapter.dump_json(checked, by_alias=True)
        return Response(content, self.status, NO_STORE, "application/json")


class ApiRoute(Route):
    """A route with its declaration.

    Args:
        path: The path.
        endpoint: Takes the request.
        methods: Its methods.
        operation: Its declaration.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        methods: list[str],
        operation: Operation,
    ) -> None:
        super().__init__(path, endpoint, methods=methods)
        self.operation = operation


class Routes(list[ApiRoute]):
    """The routes of a module, in order.

    Below `/api/auth/` the gateway lets everyone through; everywhere else it responds 401 to
    anonymous requests, whatever is declared here. Several methods are separated by spaces.
    """

    def public(
        self, methods: str, *paths: str, **declared: Unpack[Declaration]
    ) -> Callable[[_T], _T]:
        """A route for everyone."""

        def add(handler: _T) -> _T:
            operation = Operation(handler=handler, access="public", **declared)
            self._add(operation, operation.call, methods, paths)
            return handler

        return add

    def form(
        self, path: str, *, error_page: str, fields: tuple[str, ...] = ()
    ) -> Callable[[FormRoute], FormRoute]:
        """A POST of a form by anyone; see `forms.take_form`."""

        def add(handler: FormRoute) -> FormRoute:
            operation = Operation(handler=handler, access="form", fields=fields, redirects=True)
            self._add(operation, take_form(handler, error_page, fields), "POST", (path,))
            return handler

        return add

    def signed_in(
        self, methods: str, path: str, **declared: Unpack[Declaration]
    ) -> Callable[[_T], _T]:
        """A route for signed-in users; see `requests.signed_in`."""

        def add(handler: _T) -> _T:
            operation = Operation(handler=handler, access="signed_in", **declared)
            self._add(operation, signed_in(operation.call, operation.scope), methods, (path,))
            return handler

        return add

    def fresh(self, methods: str, path: str, **declared: Unpack[Declaration]) -> Callable[[_T], _T]:
        """A route for users who have authenticated lately; see `requests.fresh`."""

        def add(handler: _T) -> _T:
            operation = Operation(handler=handler, access="fresh", **declared)
            self._add(operation, fresh(operation.call), methods, (path,))
            return handler

        return add

    def admin(self, methods: str, path: str, **declared: Unpack[Declaration]) -> Callable[[_T], _T]:
        """A route for site admins who have authenticated lately; see `requests.admin`."""

        def add(handler: _T) -> _T:
            operation = Operation(handler=handler, access="admin", **declared)
            self._add(operation, admin(operation.call), methods, (path,))
            return handler

        return add

    def _add(
        self,
        operation: Operation,
        handle: Callable[[Request], Awaitable[Any]],
        methods: str,
        paths: tuple[str, ...],
    ) -> None:
        async def respond(request: Request) -> Response:
            return operation.respond(await handle(request))

        self.extend(ApiRoute(path, respond, methods.split(), operation) for path in paths)
