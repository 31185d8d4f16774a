"""`/mcp`: the user's chats as tools, over the Model Context Protocol (streamable HTTP).

It is stateless: each POST has one message, no session is kept, and there is no stream of the
server's own, so GET and DELETE are 405. `mcp_protocol` answers, `mcp_tools` has the tools.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from functools import partial
from importlib import import_module
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from chat_app import api
from chat_app.api.errors import NO_STORE
from chat_app.api.provider_answers import ClientWatch, ClosingStream
from chat_app.api.routing import Routes
from chat_app.api.streaming import SET_ERROR_EVENT
from chat_app.api.wires.mcp import McpErrorDetails, encoded, mcp_error_event
from chat_app.api.wires.sse import KEEPALIVE
from chat_app.auth.principal import Principal
from chat_app.core.json_values import JsonObject, compact_json

routes = Routes()

_HEADERS = ("mcp-protocol-version", "mcp-method", "mcp-name")


def _request_id(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError
    return value


class McpMessage(BaseModel):
    """A message of a client: a request, a response, or without an `id` a notification."""

    model_config = ConfigDict(strict=True, use_attribute_docstrings=True)

    jsonrpc: Literal["2.0"]
    id: Annotated[int | str, BeforeValidator(_request_id)] = ""
    """Names the request; the response has the same."""
    method: Annotated[str, Field(max_length=200)]
    """`tools/list` and `tools/call`, and those that begin a conversation."""
    params: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _response(cls, body: Any) -> Any:
        """A response, to what this server never asks, is taken like a notification."""
        if not isinstance(body, dict) or "method" in body:
            return body
        told = cast("dict[str, Any]", body)
        if "result" in told or "error" in told:
            return {"jsonrpc": told.get("jsonrpc"), "method": ""}
        return told


class McpResponse(BaseModel):
    """The response to a request: one of `result` and `error`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    jsonrpc: Literal["2.0"]
    id: int | str
    result: dict[str, Any] | None = None
    error: McpErrorDetails | None = None


@routes.signed_in(
    *("POST", "/mcp"),
    body=McpMessage,
    max_bytes=None,  # a question can be long
    response=McpResponse,
    accepted=True,
    is_stream=True,
    errors=(404,),
    scope="mcp",
)
async def message(request: Request, principal: Principal, body: McpMessage) -> Response:
    """Take one message of the Model Context Protocol.

    A request is answered as JSON, or as an event stream where the client accepts one and the answer
    takes a while. A notification or a response is accepted and has no effect: to cancel is to stop
    reading, and what was asked is answered nevertheless, in the thread.
    """
    if "id" not in body.model_fields_set:
        return Response(status_code=202, headers=NO_STORE)
    await _load_protocol()
    from chat_app.api import mcp_protocol as protocol

    headers = {name: request.headers.getlist(name) for name in _HEADERS}
    asked = protocol.McpRequest(body.id, body.method, body.params, headers)
    request.scope[SET_ERROR_EVENT](partial(mcp_error_event, id_=body.id))
    messages = protocol.respond(principal, asked)
    async with AsyncExitStack() as resources:
        await resources.enter_async_context(aclosing(messages))
        watch = ClientWatch(request)
        resources.callback(watch.close)
        if not _accepts_stream(request):
            last = await watch.race(_last(messages))
            return _json(last, protocol.status_of(asked, last))
        first = await watch.race(_first(messages))
        if first is not None and "method" not in first:
            return _json(first, protocol.status_of(asked, first))
        stream = ClosingStream(_events(first, messages), KEEPALIVE, watch, resources.pop_all())
        stream.headers["x-accel-buffering"] = "no"
        return stream


async def _load_protocol() -> None:
    """Import the protocol, the first time in a thread: that takes a while."""
    if not hasattr(api, "mcp_protocol"):  # set once it is whole, unlike `sys.modules`
        await asyncio.to_thread(import_module, "chat_app.api.mcp_protocol")


def _accepts_stream(request: Request) -> bool:
    return "text/event-stream" in ",".join(request.headers.getlist("accept")).lower()


def _json(reply: JsonObject, status: int) -> Response:
    body = compact_json(reply).encode("utf-8", "replace")
    return Response(body, status, NO_STORE, "application/json")


async def _first(messages: AsyncGenerator[JsonObject | None]) -> JsonObject | None:
    return await anext(messages)


async def _last(messages: AsyncGenerator[JsonObject | None]) -> JsonObject:
    """The response; how far it is goes unsaid."""
    reply: JsonObject = {}
    async for message in messages:
        reply = message or reply
    return reply


async def _events(
    first: JsonObject | None, messages: AsyncGenerator[JsonObject | None]
) -> AsyncGenerator[bytes]:
    if first is not None:
        yield encoded(first)
    async for message in messages:
        if message is not None:
            yield encoded(message)
