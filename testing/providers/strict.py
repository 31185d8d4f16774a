"""Every strict server by its name, as pure functions and over HTTP."""

import json
from collections.abc import Callable
from typing import Any

from testing import fake_provider
from testing.providers import anthropic_servers, chat_servers, responses_servers
from testing.providers.anthropic_servers import AnthropicServer
from testing.providers.chat_servers import ChatServer
from testing.providers.responses_servers import ResponsesServer
from testing.providers.rules import Refused, Request, rule
from testing.providers.sdk_types import request_errors
from testing.providers.server import Answer

Server = ChatServer | ResponsesServer | AnthropicServer

SERVERS: dict[str, Server] = {
    server.name: server
    for server in (
        *chat_servers.SERVERS,
        *responses_servers.SERVERS,
        *anthropic_servers.SERVERS,
    )
}
"""Every server by its name."""
PATHS = {
    "chat-completions": "/v1/chat/completions",
    "responses": "/v1/responses",
    "anthropic": "/v1/messages",
}
"""Where each dialect is spoken."""
TYPES = {
    dialect: rule(f"{dialect}: as the SDK types it", source)
    for dialect, source in (
        ("chat-completions", "https://github.com/openai/openai-python"),
        ("responses", "https://github.com/openai/openai-python/blob/main/api.md"),
        ("anthropic", "https://github.com/anthropics/anthropic-sdk-python"),
    )
}
HEADERS = rule("anthropic: key and version in headers", "https://docs.claude.com/en/api/versioning")


def verify(server: Server, request: Request) -> None:
    """Refuse a request that breaks a rule of a server, or is not as the SDK types it.

    Raises:
        Refused: It does.
    """
    server.check(request)
    if errors := request_errors(server.dialect, server.typed(request)):
        raise Refused(TYPES[server.dialect], "; ".join(errors[:5]), status=422)


def strict(server: Server, answer: Callable[[Request], Answer]) -> fake_provider.Answer:
    """What a strict server sends over HTTP; see `fake_provider.serve`.

    Args:
        server: Which one.
        answer: What its model says to a request that breaks no rule.
    """

    async def respond(received: fake_provider.Request) -> None:
        request = _read(server, received)
        try:
            if server.dialect == "anthropic":
                _check_headers(received.headers)
            verify(server, request)
        except Refused as refused:
            await fake_provider.refused(refused.status, server.error(refused))(received)
        else:
            stream = server.encode(request, answer(request))
            await received.send(fake_provider.STREAM_HEAD, *stream)

    return respond


def _read(server: Server, received: fake_provider.Request) -> dict[str, Any]:
    assert received.path == PATHS[server.dialect], received.path
    request = json.loads(json.dumps(received.body))
    if betas := received.headers.get("anthropic-beta"):
        request["betas"] = [beta.strip() for beta in betas.split(",")]
    return request


def _check_headers(headers: dict[str, str]) -> None:
    if "x-api-key" not in headers:
        raise Refused(HEADERS, "x-api-key header is required", status=401)
    if "anthropic-version" not in headers:
        raise Refused(HEADERS, "anthropic-version: header is required")
