"""Every strict server by its name, as pure functions and over HTTP."""

import json
import re
from collections.abc import Callable
from itertools import takewhile
from typing import Any

from testing import fake_provider
from testing.providers import anthropic_servers, chat_servers, responses_servers
from testing.providers.anthropic_servers import AnthropicServer
from testing.providers.chat_servers import ChatServer
from testing.providers.responses_servers import ResponsesServer
from testing.providers.rules import Refused, Request, rule
from testing.providers.sdk_types import request_errors
from testing.providers.server import Answer, pieces

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
AZURE = rule(
    "azure: key and version of a deployment",
    "https://learn.microsoft.com/en-us/azure/ai-services/openai/reference",
)
AZURE_DEPLOYMENT = "/openai/deployments/"
"""How the paths of Azure begin that name a deployment, and want a version."""


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
            if received.path.startswith(AZURE_DEPLOYMENT):
                _check_deployment(received)
            verify(server, request)
        except Refused as refused:
            await fake_provider.refused(refused.status, server.error(refused))(received)
        else:
            said = answer(request)
            stream = list(server.encode(request, said))
            if not said.stalls:
                await received.send(fake_provider.STREAM_HEAD, *stream)
                return
            last = json.dumps([*pieces(said.text)][-1]).encode()
            begun = takewhile(lambda event: last not in event, stream)
            await received.send(fake_provider.STREAM_HEAD, *begun)
            await received.wait_for_disconnect()

    return respond


def _read(server: Server, received: fake_provider.Request) -> dict[str, Any]:
    path = received.path
    if path.startswith(AZURE_DEPLOYMENT):
        deployment, _, path = path.removeprefix(AZURE_DEPLOYMENT).partition("/")
        path = f"/v1/{path.partition('?')[0]}"
        assert deployment == server.model, deployment
    assert path == PATHS[server.dialect], received.path
    request = json.loads(json.dumps(received.body))
    if betas := received.headers.get("anthropic-beta"):
        request["betas"] = [beta.strip() for beta in betas.split(",")]
    return request


def _check_deployment(received: fake_provider.Request) -> None:
    if not re.search(r"\?api-version=20\d\d-\d\d-\d\d(-preview)?$", received.path):
        raise Refused(AZURE, "Resource not found", status=404, code="404")
    if "api-key" not in received.headers:
        raise Refused(
            AZURE,
            "Access denied due to invalid subscription key or wrong API endpoint.",
            status=401,
            code="401",
        )


def _check_headers(headers: dict[str, str]) -> None:
    if "x-api-key" not in headers:
        raise Refused(HEADERS, "x-api-key header is required", status=401)
    if "anthropic-version" not in headers:
        raise Refused(HEADERS, "anthropic-version: header is required")
