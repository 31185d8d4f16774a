"""API families: whose client speaks to a path, what proves its user, and how its errors look.

The gateway and the routes both ask here. Where a family does not take a session, no cookie of a
request is read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from chat_app.api.problems import MEDIA_TYPE, PlainError, Problem, plain_error, problem
from chat_app.api.wires.errors import (
    AnthropicError,
    OpenAIError,
    anthropic_error,
    anthropic_error_event,
    openai_error,
    openai_error_event,
    provider_status,
    responses_error_event,
)
from chat_app.api.wires.mcp import McpError, mcp_error, mcp_error_event
from chat_app.core.errors import ChatError

Credential = Literal["session", "api_key", "cloud_token"]


def is_under(path: str, *prefixes: str) -> bool:
    """Whether a path is one of the prefixes or lies below one."""
    return any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes)


def _no_event(_error: ChatError) -> bytes:
    return b""


@dataclass(frozen=True, slots=True, eq=False)
class ApiFamily:
    """The paths of one kind of client.

    Args:
        name: Its tag in the description of the API.
        prefixes: What its paths begin with; the longest prefix of all families decides.
        credentials: What a request may be authenticated by.
        error: Makes the body of an error response.
        error_model: The schema of that body.
        error_status: The status of an error response, given that of the error.
        media_type: The type of that body.
        error_event: Makes the last event of a stream that an error ends.
        checks_origin: Whether a foreign `Origin` is refused beside an API key too.
        by_header: Families that a request belongs to instead if it has a header, in lower case.
    """

    name: str
    prefixes: tuple[str, ...]
    credentials: frozenset[Credential]
    error: Callable[[ChatError], dict[str, Any]] = plain_error
    error_model: type[BaseModel] = PlainError
    error_status: Callable[[int], int] = int
    media_type: str = "application/json"
    error_event: Callable[[ChatError], bytes] = _no_event
    checks_origin: bool = False
    by_header: Mapping[bytes, "ApiFamily"] = field(default_factory=dict[bytes, "ApiFamily"])

    @property
    def takes_session(self) -> bool:
        """Whether browsers use it with their session cookie."""
        return "session" in self.credentials

    def error_response(self, error: ChatError, headers: Mapping[str, str]) -> Response:
        """An error for programs.

        Args:
            error: The error.
            headers: More headers.
        """
        status = self.error_status(error.status)
        return JSONResponse(self.error(error), status, headers, self.media_type)


_KEY_ONLY: frozenset[Credential] = frozenset({"api_key"})

NATIVE = ApiFamily(
    "native",
    ("/api",),
    frozenset({"session", "api_key"}),
    error=problem,
    error_model=Problem,
    media_type=MEDIA_TYPE,
)
NATIVE_ACCOUNT = replace(
    NATIVE,
    prefixes=(
        *("/api/account", "/api/admin", "/api/organisations", "/api/invitations"),
        "/api/cloud",
    ),
    credentials=frozenset({"session"}),
)
"""What only the user may do: no key has a scope for it."""
ANTHROPIC = ApiFamily(
    "anthropic",
    ("/v1/messages",),
    _KEY_ONLY,
    error=anthropic_error,
    error_model=AnthropicError,
    error_status=provider_status,
    error_event=anthropic_error_event,
)
OPENAI = ApiFamily(
    "openai",
    ("/v1",),
    _KEY_ONLY,
    error=openai_error,
    error_model=OpenAIError,
    error_status=provider_status,
    error_event=openai_error_event,
    by_header={b"anthropic-version": ANTHROPIC},
)
OPENAI_RESPONSES = replace(OPENAI, prefixes=("/v1/responses",), error_event=responses_error_event)
CLOUD_FILES = ("/v1/files/attachments", "/v1/files/pdf-to-images")
"""Not served: they get this family's 404."""
ASSISTANT_CLOUD = ApiFamily(
    "assistant-cloud",
    ("/v1/threads", "/v1/runs", "/v1/events", "/v1/scores", "/v1/projects", *CLOUD_FILES),
    frozenset({"api_key", "cloud_token"}),
    error_status=provider_status,  # at 400 its client tries again without what is new
)
CLOUD_TOKENS = ApiFamily("assistant-cloud", ("/v1/auth",), _KEY_ONLY)
"""Tokens are issued for API keys alone, not for other tokens. The name is shared, so that its
operations have the tag of AssistantCloud."""
MCP = ApiFamily(
    "mcp",
    ("/mcp",),
    _KEY_ONLY,
    error=mcp_error,
    error_model=McpError,
    error_status=provider_status,
    error_event=mcp_error_event,
    checks_origin=True,
)
SCIM = ApiFamily("scim", ("/scim",), _KEY_ONLY)
FAMILIES = (
    *(NATIVE, NATIVE_ACCOUNT, OPENAI, OPENAI_RESPONSES, ANTHROPIC),
    *(ASSISTANT_CLOUD, CLOUD_TOKENS, MCP, SCIM),
)

OTHER = ApiFamily("other", (), frozenset({"session"}))
"""Every other path: pages, health checks, public metadata."""

_BY_PREFIX = sorted(
    ((prefix, family) for family in FAMILIES for prefix in family.prefixes),
    key=lambda each: -len(each[0]),
)


def family_of(scope: Scope) -> ApiFamily:
    """The family of a request.

    Args:
        scope: An `http` or `websocket` scope.
    """
    path: str = scope["path"]
    family = next((found for prefix, found in _BY_PREFIX if is_under(path, prefix)), OTHER)
    if family.by_header:
        for name, _ in scope["headers"]:
            if other := family.by_header.get(name.lower()):
                return other
    return family
