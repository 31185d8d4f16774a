"""The Model Context Protocol without its transport: versions, methods, and calls of tools.

The types are those of the protocol's own package, which validate every request and result against
the version that the client speaks. Its server is not used: it keeps tasks of its own beside the
requests, so the end of a key would not end them, and reads bodies without our limits; loading it
costs each server an HTTP client, a second web server and 20 MB. Loading the types takes a quarter
of a second, so this module is imported with the first request.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from importlib.metadata import version as version_of_package
from typing import Any

from mcp_types import methods
from mcp_types.version import (
    HANDSHAKE_PROTOCOL_VERSIONS,
    KNOWN_PROTOCOL_VERSIONS,
    LATEST_HANDSHAKE_VERSION,
    MODERN_PROTOCOL_VERSIONS,
)
from pydantic import BaseModel, ValidationError

from chat_app.api.errors import InternalError
from chat_app.api.mcp_tools import TOOLS, McpTool, McpToolResult, Steps, ask_description
from chat_app.api.wires.mcp import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    UNSUPPORTED_VERSION,
    RequestId,
    chat_error,
    error_message,
    progress_message,
    result_message,
)
from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError
from chat_app.core.json_values import JsonObject
from chat_app.core.logging import log_unexpected_error

ASSUMED_VERSION = "2025-03-26"
"""The version of a request that names none."""
_STATUSES = {METHOD_NOT_FOUND: 404, INTERNAL_ERROR: 500}
_LEGACY_STATUSES = {INTERNAL_ERROR: 500, UNSUPPORTED_VERSION: 400, HEADER_MISMATCH: 400}
_META = "io.modelcontextprotocol"
_INSTRUCTIONS = (
    "The user's chats with language models: find them with search_threads, read them with "
    "read_thread, and ask a model with ask."
)


class RpcError(Exception):
    """A request that is answered with an error of JSON-RPC.

    Args:
        code: The kind of error.
        message: One sentence.
        data: More for programs.
    """

    def __init__(self, code: int, message: str, data: JsonObject | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


@dataclass(frozen=True)
class McpRequest:
    """A request as it came.

    Args:
        id: Its id.
        method: What is asked for.
        params: Its parameters.
        headers: The headers of MCP, in lower case, each with all of its values.
    """

    id: RequestId
    method: str
    params: JsonObject | None
    headers: Mapping[str, list[str]]

    @property
    def version(self) -> str:
        """The version that the client speaks.

        Raises:
            RpcError: It is not supported.
        """
        given = self.headers.get("mcp-protocol-version") or [ASSUMED_VERSION]
        if len(given) == 1 and given[0] in KNOWN_PROTOCOL_VERSIONS:
            return given[0]
        data = {"supported": list(KNOWN_PROTOCOL_VERSIONS), "requested": ", ".join(given)[:100]}
        raise RpcError(UNSUPPORTED_VERSION, "This MCP version is not supported.", data)

    @property
    def is_modern(self) -> bool:
        """Whether it is of a version without a handshake, in which each request has all it needs.

        Raises:
            RpcError: The version is not supported.
        """
        return self.version in MODERN_PROTOCOL_VERSIONS

    @property
    def progress_token(self) -> RequestId | None:
        """What the client calls the progress of this; None if it does not want to know it."""
        meta = (self.params or {}).get("_meta")
        token = meta.get("progressToken") if isinstance(meta, dict) else None
        return token if isinstance(token, int | str) and not isinstance(token, bool) else None


def status_of(request: McpRequest, message: JsonObject) -> int:
    """The status of a response that is JSON.

    Before version 2026-07-28, an error of JSON-RPC is a response like any other.
    """
    if "error" not in message:
        return 200
    code = message["error"]["code"]
    with suppress(RpcError):
        if request.is_modern:
            return _STATUSES.get(code, 400)
    return _LEGACY_STATUSES.get(code, 200)


async def respond(principal: Principal, request: McpRequest) -> AsyncGenerator[JsonObject | None]:
    """The messages that answer a request: how far it is, and at last its response.

    None among them says that the response takes a while.

    Args:
        principal: The user.
        request: The request.
    """
    try:
        _check(request)
        if request.method == "tools/call":
            async with aclosing(_call_tool(principal, request)) as messages:
                async for message in messages:
                    yield message
        else:
            yield result_message(request.id, _result(request, await _answer(principal, request)))
    except RpcError as error:
        yield error_message(request.id, error.code, error.message, error.data)
    except ChatError as error:
        yield chat_error(error, request.id)
    except Exception as bug:  # a stream may have begun, which ends with this
        yield chat_error(InternalError(log_unexpected_error(bug, "a request of MCP")), request.id)


def _check(request: McpRequest) -> None:
    """Check that a request is one of its version, and that its headers say the same.

    Raises:
        RpcError: It is not.
    """
    try:
        methods.validate_client_request(request.method, request.version, request.params)
    except KeyError:
        raise _unknown_method() from None
    except ValidationError as error:
        message = f"Invalid value for {_field(error, skipped=('params',))}."
        raise RpcError(INVALID_PARAMS, message) from None
    if not request.is_modern:
        return
    params = request.params or {}
    said = {
        "mcp-protocol-version": params["_meta"][f"{_META}/protocolVersion"],
        "mcp-method": request.method,
    }
    if request.method == "tools/call":
        said["mcp-name"] = params["name"]
    for header, value in said.items():
        if request.headers.get(header) != [value]:
            message = f"The {header} header doesn't match the request."
            raise RpcError(HEADER_MISMATCH, message)


async def _answer(principal: Principal, request: McpRequest) -> JsonObject:
    """The result of a method that calls nothing.

    Raises:
        RpcError: There is no such method.
    """
    match request.method:
        case "initialize":
            asked = (request.params or {}).get("protocolVersion")
            known = asked in HANDSHAKE_PROTOCOL_VERSIONS
            return {
                "protocolVersion": asked if known else LATEST_HANDSHAKE_VERSION,
                "capabilities": _CAPABILITIES,
                "serverInfo": _SERVER,
                "instructions": _INSTRUCTIONS,
            }
        case "server/discover":
            return {
                "supportedVersions": list(KNOWN_PROTOCOL_VERSIONS),
                "capabilities": _CAPABILITIES,
                "instructions": _INSTRUCTIONS,
            }
        case "ping":
            return {}
        case "tools/list":
            return {"tools": [await _described(principal, tool) for tool in TOOLS.values()]}
        case _:
            raise _unknown_method()


def _unknown_method() -> RpcError:
    return RpcError(METHOD_NOT_FOUND, "Method not found.")


async def _call_tool(
    principal: Principal, request: McpRequest
) -> AsyncGenerator[JsonObject | None]:
    params = request.params or {}
    tool = TOOLS.get(params["name"])
    if tool is None:
        raise RpcError(INVALID_PARAMS, "Tool not found.")
    try:
        arguments = tool.arguments.model_validate(params.get("arguments") or {})
    except ValidationError as error:
        sentence = f"Invalid value for {_field(error)}: {_reason(error)}."
        yield _called(request, _failed(sentence))
        return
    async with aclosing(tool_messages(request, tool.run(principal, arguments))) as messages:
        async for message in messages:
            yield message


async def tool_messages(request: McpRequest, steps: Steps) -> AsyncGenerator[JsonObject | None]:
    """The messages of a call, from what its tool yields; an error of the tool is a result.

    Args:
        request: The call.
        steps: Of the tool.
    """
    token = request.progress_token
    result = McpToolResult(())
    try:
        async with aclosing(steps):
            async for step in steps:
                if isinstance(step, McpToolResult):
                    result = step
                elif token is None:
                    yield None
                else:
                    yield progress_message(token, step.count, step.text)
    except ChatError as error:
        result = _failed(error.message)
    yield _called(request, result)


def _called(request: McpRequest, result: McpToolResult) -> JsonObject:
    called: JsonObject = {
        "content": [{"type": "text", "text": text} for text in result.texts],
        "isError": result.is_error,
    }
    if result.structured is not None:
        called["structuredContent"] = result.structured.model_dump(mode="json")
    return result_message(request.id, _result(request, called))


def _failed(sentence: str) -> McpToolResult:
    return McpToolResult((sentence,), is_error=True)


def _result(request: McpRequest, result: JsonObject) -> JsonObject:
    """A result as the version of a request has it."""
    if request.is_modern:
        more = {"resultType": "complete", "_meta": {f"{_META}/serverInfo": _SERVER}}
        if request.method in methods.CACHEABLE_METHODS:
            more |= {"ttlMs": 0, "cacheScope": "private"}
        result = {**result, **more}
    return methods.serialize_server_result(request.method, request.version, result)


async def _described(principal: Principal, tool: McpTool) -> JsonObject:
    is_ask = tool.name == "ask"
    return {
        "name": tool.name,
        "title": tool.title,
        "description": await ask_description(principal) if is_ask else tool.description,
        "inputSchema": _SCHEMAS[tool.arguments],
        "outputSchema": _SCHEMAS[tool.result],
        "annotations": {
            "title": tool.title,
            "readOnlyHint": tool.reads_only,
            "destructiveHint": False,
            "idempotentHint": tool.reads_only,
            "openWorldHint": not tool.reads_only,
        },
    }


def _field(error: ValidationError, *, skipped: tuple[str, ...] = ()) -> str:
    """The name of the first field that is wrong."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return ".".join(str(part) for part in first["loc"] if part not in skipped)[:100] or "params"


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return first["msg"][:1].lower() + first["msg"][1:]


def _schema(model: type[BaseModel], mode: Any) -> JsonObject:
    schema = model.model_json_schema(mode=mode)
    return {key: value for key, value in schema.items() if key not in ("title", "description")}


_CAPABILITIES: JsonObject = {"tools": {"listChanged": False}}
_SERVER = {"name": "chat-app", "title": "Chat", "version": version_of_package("chat-app")}
_SCHEMAS = {
    model: _schema(model, mode)
    for tool in TOOLS.values()
    for model, mode in ((tool.arguments, "validation"), (tool.result, "serialization"))
}
