"""Messages of the Model Context Protocol, which are JSON-RPC 2.0. Pure.

modelcontextprotocol.io/specification, jsonrpc.org/specification
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from chat_app.api.wires.sse import data_events
from chat_app.core.errors import ChatError, InvalidJson
from chat_app.core.json_values import JsonObject, compact_json

RequestId = int | str
"""The id of a request, or its progress token."""

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022


class McpErrorDetails(BaseModel):
    """What is wrong."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    code: int
    """The kind of error, as JSON-RPC and MCP number them."""
    message: str
    """One sentence for people."""
    data: dict[str, Any] | None = None
    """More for programs: the `code` that this server has for the error, or `supported` versions."""


class McpError(BaseModel):
    """An error response of JSON-RPC."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    jsonrpc: Literal["2.0"]
    id: int | str | None
    """That of the request; null for a request that was not read."""
    error: McpErrorDetails


def result_message(id_: RequestId, result: JsonObject) -> JsonObject:
    """The response to a request."""
    return {"jsonrpc": "2.0", "id": id_, "result": result}


def error_message(
    id_: RequestId | None, code: int, message: str, data: JsonObject | None = None
) -> JsonObject:
    """The response to a request that failed.

    Args:
        id_: The request; None if it was not read.
        code: The kind of error.
        message: One sentence.
        data: More for programs.
    """
    error = {"code": code, "message": message, **({} if data is None else {"data": data})}
    return {"jsonrpc": "2.0", "id": id_, "error": error}


def progress_message(token: RequestId, progress: int, message: str) -> JsonObject:
    """How far a request is.

    Args:
        token: What the client called it.
        progress: Greater each time.
        message: What is new; empty for nothing.
    """
    params = {"progressToken": token, "progress": progress}
    if message:
        params["message"] = message
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


def chat_error(error: ChatError, id_: RequestId | None) -> JsonObject:
    """The response to a request that was refused.

    Args:
        error: Why.
        id_: The request; None if it was not read.
    """
    code = INTERNAL_ERROR if error.status >= 500 else INVALID_REQUEST
    if isinstance(error, InvalidJson):
        code = PARSE_ERROR
    return error_message(id_, code, error.message, {"code": error.code})


def mcp_error(error: ChatError) -> JsonObject:
    """The body of an error response."""
    return chat_error(error, None)


def mcp_error_event(error: ChatError, id_: RequestId | None = None) -> bytes:
    """The last event of a stream that breaks off.

    Args:
        error: Why.
        id_: The request whose response the stream is.
    """
    return encoded(chat_error(error, id_))


def encoded(message: JsonObject) -> bytes:
    """A message as an event of a stream."""
    return data_events([compact_json(message)])
