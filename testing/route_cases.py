"""How each HTTP route is called, and what it responds to whom.

A new route needs a line in `CASES`, or the tests fail.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from chat_app.auth.principal import Scope

SECOND = ("message", "member", "invitation")
"""The kinds of ids that stand second in a path, under their own names."""


@dataclass(frozen=True)
class Case:
    """How a route is called, and the statuses of its responses.

    In the path and in the texts of the body, `{id}` stands for an id and `{email}` for the user's
    email.

    Args:
        public: Whether an anonymous client may call it; all others are 401.
        body: The JSON it wants.
        form: The form it wants.
        status: The response to a user about what is theirs, and to anyone on a public route.
        anonymous: The response to an anonymous client, where it is another one.
        scope: What an API key must be allowed to do; without it, or with None, a key is 403.
        takes_session: Whether it takes a session; else an API key is needed, and no cookie is read.
        takes_keys: Whether a key changes nothing, as no credential is read at all.
        kind: What the id in the path is of, as `CanaryUser.ids` has it.
        missing: The response to an id of nothing of the user's.
    """

    public: bool = False
    body: Any = None
    form: dict[str, str] = field(default_factory=dict)
    status: int = 200
    anonymous: int | None = None
    scope: Scope | None = None
    takes_session: bool = True
    takes_keys: bool = False
    kind: str = "thread"
    missing: int = 404

    def request(
        self, method: str, path: str, ids: Mapping[str, str], email: str = ""
    ) -> tuple[str, str, dict[str, Any]]:
        """The method, the path and the body of a request, as httpx takes them.

        Args:
            method: The method of the route.
            path: The path of the route.
            ids: The ids that it names, by kind.
            email: The user's email.
        """
        named = {"{id}": ids[self.kind], "{email}": email}
        named |= {f"{{{kind}}}": ids[kind] for kind in SECOND}
        named |= {"{provider}": "acme", "{model:path}": "fake:think"}
        for name, value in named.items():
            path = path.replace(name, value)
        if self.body is not None:
            return method, path, {"json": _filled(self.body, named)}
        return method, path, {"data": self.form} if self.form else {}


def _filled(value: Any, named: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one, named) for key, one in value.items()}
    return named.get(value, value) if isinstance(value, str) else value


def code_of(response: httpx.Response) -> str:
    """The code of an error, in whatever form its family has it; Anthropic's has a type alone."""
    error = response.json()["error"]
    if isinstance(error, str):
        return error
    if "jsonrpc" in response.json():
        return error["data"]["code"]
    return error["code"] if "code" in error else _ANTHROPIC_CODES[error["type"]]


_ANTHROPIC_CODES = {
    "authentication_error": "invalid_api_key",
    "permission_error": "insufficient_scope",
    "not_found_error": "not_found",
}


def question(text: str) -> dict[str, Any]:
    return {"id": uuid4().hex, "role": "user", "parts": [{"type": "text", "text": text}]}


def agent_input(thread: str, text: str) -> dict[str, Any]:
    """What a client of AG-UI sends."""
    message = {"id": uuid4().hex, "role": "user", "content": text}
    return {"threadId": thread, "runId": uuid4().hex, "messages": [message]}


def tool_call(tool: str, **arguments: Any) -> dict[str, Any]:
    """What a client of MCP sends to call a tool."""
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def entry(text: str) -> dict[str, Any]:
    """A message of a client's history, in the form in which assistant-ui stores it."""
    content = {"role": "assistant", "parts": [{"type": "text", "text": text}]}
    return {"parent_id": None, "format": "ai-sdk/v6", "content": content}


def aui_entry(text: str) -> dict[str, Any]:
    """A message in the form in which AssistantCloud's client stores it."""
    content = {"role": "assistant", "content": [{"type": "text", "text": text}], "metadata": {}}
    return {"parent_id": None, "format": "aui/v0", "content": content}


CASES = {
    ("GET", "/api/auth/session"): Case(public=True),
    ("POST", "/api/auth/session"): Case(public=True, body={"data": {"user": {"name": "Ada"}}}),
    ("GET", "/api/auth/signin"): Case(public=True, status=303),
    ("GET", "/api/auth/signin/{provider}"): Case(public=True, status=303),
    ("GET", "/api/auth/signout"): Case(public=True, status=303),
    ("GET", "/api/auth/error"): Case(public=True, status=303),
    ("GET", "/api/auth/verify-request"): Case(public=True, status=303),
    ("POST", "/api/auth/signin/credentials"): Case(
        public=True, form={"email": "eve@example.com", "password": "wrong wrong wrong"}
    ),
    ("GET", "/api/auth/csrf"): Case(public=True),
    ("GET", "/api/auth/providers"): Case(public=True),
    ("POST", "/api/auth/callback/credentials"): Case(
        public=True, form={"email": "eve@example.com", "password": "wrong wrong wrong"}
    ),
    ("POST", "/api/auth/signup"): Case(
        public=True, form={"email": "x", "password": "y"}, status=422
    ),
    ("POST", "/api/auth/signout"): Case(public=True, form={"callbackUrl": "/"}),
    ("POST", "/api/auth/signin/{provider}"): Case(
        public=True, form={"callbackUrl": "/"}, status=404
    ),
    ("GET", "/api/auth/callback/{provider}"): Case(public=True, status=404),
    ("POST", "/api/account/connections/{provider}"): Case(status=404),
    ("DELETE", "/api/account/connections/{id}"): Case(kind="connection", status=204),
    ("POST", "/api/auth/signin/email"): Case(public=True, form={"email": "eve@example.com"}),
    ("POST", "/api/auth/callback/email"): Case(public=True, form={"token": "x"}, status=403),
    ("POST", "/api/auth/reset"): Case(public=True, form={"email": "eve@example.com"}),
    ("POST", "/api/auth/reset/confirm"): Case(
        public=True, form={"token": "x", "password": "y"}, status=403
    ),
    ("POST", "/api/auth/email-link"): Case(public=True, form={"token": "sign_up.x"}, status=403),
    ("POST", "/api/auth/verify"): Case(
        public=True, form={"token": "verify_email.x"}, status=403, anonymous=401
    ),
    ("POST", "/api/account/verify"): Case(status=204),
    ("POST", "/api/account/email"): Case(body={"email": "eve@example.net"}, status=204),
    ("PATCH", "/api/account"): Case(body={"name": "Eve"}, status=204),
    ("DELETE", "/api/account"): Case(body={"confirm": "{email}"}),
    ("GET", "/api/account/chat-defaults"): Case(),
    ("PATCH", "/api/account/chat-defaults"): Case(body={"effort": "low"}, status=204),
    ("GET", "/api/usage"): Case(scope="threads:read"),
    ("GET", "/api/account/picture"): Case(),
    ("PUT", "/api/account/picture"): Case(body={"not": "a picture"}, status=422),
    ("DELETE", "/api/account/picture"): Case(status=204),
    ("POST", "/api/account/password"): Case(
        body={"password": "another-Otter-teapot-91"}, status=204
    ),
    ("DELETE", "/api/account/password"): Case(status=204),
    ("GET", "/api/account/sessions"): Case(),
    ("DELETE", "/api/account/sessions/{id}"): Case(kind="session", status=204),
    ("POST", "/api/account/sessions/revoke-others"): Case(status=204),
    ("POST", "/api/account/sessions/revoke-all"): Case(),
    ("GET", "/api/account/export"): Case(),
    ("GET", "/api/admin/audit"): Case(status=404),
    ("POST", "/api/account/totp"): Case(),
    ("DELETE", "/api/account/totp"): Case(status=204),
    ("POST", "/api/account/totp/confirm"): Case(body={"code": "123456"}, status=409),
    ("POST", "/api/account/backup-codes"): Case(status=409),
    ("POST", "/api/auth/passkey/options"): Case(public=True),
    ("POST", "/api/auth/callback/passkey"): Case(
        public=True, form={"credential": "{}"}, status=403
    ),
    ("POST", "/api/account/passkeys/options"): Case(),
    ("POST", "/api/account/passkeys"): Case(body={"credential": "{}", "name": "Mine"}, status=403),
    ("PATCH", "/api/account/passkeys/{id}"): Case(
        body={"name": "Taken over"}, kind="passkey", status=204
    ),
    ("DELETE", "/api/account/passkeys/{id}"): Case(kind="passkey", status=204),
    ("GET", "/api/account/api-keys"): Case(),
    ("POST", "/api/account/api-keys"): Case(body={"name": "Mine", "scopes": ["chat"]}, status=201),
    ("DELETE", "/api/account/api-keys/{id}"): Case(kind="key", status=204),
    ("POST", "/api/account/step-up"): Case(body={"password": "wrong wrong wrong"}, status=403),
    ("POST", "/api/account/step-up/passkey/options"): Case(),
    ("POST", "/api/account/step-up/passkey"): Case(body={"credential": "{}"}, status=403),
    ("POST", "/api/auth/callback/second-factor"): Case(
        public=True, form={"code": "123456"}, status=403
    ),
    ("POST", "/api/chat"): Case(
        body={"id": "{id}", "messages": [question("Mine now?")]}, scope="chat"
    ),
    ("GET", "/api/chat/{id}/stream"): Case(scope="chat", status=204),
    ("GET", "/api/chat/resume/{id}"): Case(kind="run", scope="chat"),
    ("POST", "/api/chat/{id}/stop"): Case(scope="chat", status=204),
    ("POST", "/api/ag-ui"): Case(body=agent_input("{id}", "Mine now?"), scope="chat"),
    ("GET", "/api/models"): Case(scope="models"),
    ("POST", "/v1/chat/completions"): Case(
        body={"model": "fake:2x0", "messages": [{"role": "user", "content": "Mine now?"}]},
        scope="chat",
        takes_session=False,
    ),
    ("POST", "/v1/responses"): Case(
        body={"model": "fake:2x0", "input": "Mine now?"}, scope="chat", takes_session=False
    ),
    ("POST", "/v1/messages"): Case(
        body={
            "model": "fake:2x0",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "Mine now?"}],
        },
        scope="chat",
        takes_session=False,
    ),
    ("POST", "/mcp"): Case(
        body=tool_call("read_thread", thread_id="{id}"),
        scope="mcp",
        takes_session=False,
        missing=200,
    ),
    ("GET", "/v1/models"): Case(scope="models", takes_session=False),
    ("GET", "/v1/models/{model:path}"): Case(scope="models", takes_session=False),
    ("GET", "/api/organisations"): Case(),
    ("POST", "/api/organisations"): Case(body={"name": "Mine"}, status=201),
    ("GET", "/api/organisations/{id}"): Case(kind="organisation"),
    ("PATCH", "/api/organisations/{id}"): Case(
        body={"name": "Taken over"}, kind="organisation", status=204
    ),
    ("GET", "/api/organisations/{id}/members"): Case(kind="organisation"),
    ("PATCH", "/api/organisations/{id}/members/{member}"): Case(
        body={"role": "admin"}, kind="organisation", status=204
    ),
    ("GET", "/api/organisations/{id}/invitations"): Case(kind="organisation"),
    ("POST", "/api/organisations/{id}/invitations"): Case(
        body={"email": "invited@example.com"}, kind="organisation", status=201
    ),
    ("POST", "/api/organisations/{id}/invitations/{invitation}/resend"): Case(kind="organisation"),
    ("DELETE", "/api/organisations/{id}/invitations/{invitation}"): Case(
        kind="organisation", status=204
    ),
    ("DELETE", "/api/organisations/{id}/members/{member}"): Case(kind="organisation", status=204),
    ("DELETE", "/api/organisations/{id}"): Case(kind="organisation", status=409),  # has others
    ("POST", "/api/organisations/{id}/leave"): Case(kind="organisation", status=204),
    ("POST", "/api/invitations/accept"): Case(body={"token": "x"}, status=403),
    ("GET", "/api/invitations"): Case(),
    ("POST", "/api/invitations/{id}/accept"): Case(kind="received"),
    ("POST", "/api/invitations/{id}/decline"): Case(kind="received", status=404),  # was accepted
    ("GET", "/api/threads"): Case(scope="threads:read"),
    ("GET", "/api/search"): Case(scope="threads:read"),
    ("POST", "/api/threads"): Case(
        body={"title": "A thread of mine"}, scope="threads:write", status=201
    ),
    ("GET", "/api/threads/{id}"): Case(scope="threads:read"),
    ("PATCH", "/api/threads/{id}"): Case(
        body={"title": "Taken over"}, scope="threads:write", status=204
    ),
    ("DELETE", "/api/threads/{id}"): Case(scope="threads:write", status=204),
    ("POST", "/api/threads/{id}/title"): Case(body={"messages": []}, scope="chat"),
    ("GET", "/api/threads/{id}/messages"): Case(scope="threads:read"),
    ("POST", "/api/threads/{id}/messages"): Case(
        body=entry("Planted"), scope="threads:write", status=201
    ),
    ("PATCH", "/api/threads/{id}/messages/{message}"): Case(
        body=entry("Planted"), scope="threads:write"
    ),
    ("POST", "/api/threads/{id}/compact"): Case(scope="chat", status=422),  # one is too few
    ("DELETE", "/api/threads/{id}/messages/{message}"): Case(scope="threads:write", status=204),
    ("POST", "/api/account/setup"): Case(body={"token": "x"}, status=403),
    ("POST", "/api/cloud/token"): Case(),
    ("POST", "/v1/auth/tokens"): Case(scope="threads:read", takes_session=False),
    ("POST", "/v1/auth/tokens/anonymous"): Case(public=True, status=403),
    ("POST", "/v1/auth/tokens/refresh"): Case(public=True, status=403),
    ("GET", "/v1/threads"): Case(scope="threads:read", takes_session=False),
    ("POST", "/v1/threads"): Case(
        body={"title": "A thread of mine"}, scope="threads:write", takes_session=False
    ),
    ("POST", "/v1/threads/claim"): Case(
        body={"refresh_token": "x"}, scope="threads:write", takes_session=False
    ),
    ("GET", "/v1/threads/{id}"): Case(scope="threads:read", takes_session=False),
    ("PUT", "/v1/threads/{id}"): Case(
        body={"title": "Taken over"}, scope="threads:write", takes_session=False, status=204
    ),
    ("DELETE", "/v1/threads/{id}"): Case(scope="threads:write", takes_session=False, status=204),
    ("GET", "/v1/threads/{id}/messages"): Case(scope="threads:read", takes_session=False),
    ("POST", "/v1/threads/{id}/messages"): Case(
        body=aui_entry("Said"), scope="threads:write", takes_session=False
    ),
    ("DELETE", "/v1/threads/{id}/messages"): Case(
        body={"message_ids": []}, scope="threads:write", takes_session=False, status=204
    ),
    ("PUT", "/v1/threads/{id}/messages/{message}"): Case(
        body={"content": aui_entry("Said")["content"]},
        scope="threads:write",
        takes_session=False,
        status=204,
    ),
    ("POST", "/v1/threads/{id}/messages/{message}/feedback"): Case(
        body={"type": "positive"}, scope="threads:write", takes_session=False
    ),
    ("POST", "/v1/runs/stream"): Case(
        body={"thread_id": "{id}", "assistant_id": "system/thread_title"},
        scope="chat",
        takes_session=False,
    ),
    ("POST", "/v1/runs"): Case(
        body={"thread_id": "{id}", "status": "completed"},
        scope="threads:write",
        takes_session=False,
    ),
    ("POST", "/v1/events"): Case(
        body={"events": [{"kind": "message_sent"}]},
        scope="threads:write",
        takes_session=False,
        status=204,
    ),
    ("POST", "/v1/scores"): Case(
        body={"thread_id": "{id}", "name": "s", "data_type": "numeric", "value": 1},
        scope="threads:write",
        takes_session=False,
    ),
    ("GET", "/api/openapi.json"): Case(public=True, takes_keys=True),
    ("GET", "/api/docs"): Case(public=True),
    ("GET", "/api/health"): Case(public=True, takes_keys=True),
    ("GET", "/healthz"): Case(public=True, takes_keys=True),
    ("GET", "/readyz"): Case(public=True, takes_keys=True),
}


def described_case(method: str, path: str) -> Case:
    """The case of an operation, by its path in the OpenAPI document."""
    return _DESCRIBED[method.upper(), path]


_DESCRIBED = {(method, re.sub(r":\w+}", "}", path)): case for (method, path), case in CASES.items()}


NAMING = sorted(key for key, case in CASES.items() if "{id}" in f"{key[1]}{case.body}")
"""The routes that name a thread, a session or something else of the user by its id."""
