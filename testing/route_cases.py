"""How each HTTP route is called; a new route needs a line in `CASES`, or the tests fail."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx


@dataclass(frozen=True)
class Case:
    """How a route is called.

    Args:
        public: Whether an anonymous client may call it.
        body: The JSON it wants.
        form: The form it wants.
    """

    public: bool = False
    body: Any = None
    form: dict[str, str] = field(default_factory=dict)


def code_of(response: httpx.Response) -> str:
    """The code of an error, in whatever form its family has it; Anthropic's has a type alone."""
    error = response.json()["error"]
    if isinstance(error, str):
        return error
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


def entry(text: str) -> dict[str, Any]:
    """A message of a client's history, in the form in which assistant-ui stores it."""
    content = {"role": "assistant", "parts": [{"type": "text", "text": text}]}
    return {"parent_id": None, "format": "ai-sdk/v6", "content": content}


CASES = {
    ("GET", "/api/auth/session"): Case(public=True),
    ("POST", "/api/auth/session"): Case(public=True, body={"data": {"user": {"name": "Ada"}}}),
    ("GET", "/api/auth/signin"): Case(public=True),
    ("GET", "/api/auth/signin/{provider}"): Case(public=True),
    ("GET", "/api/auth/signout"): Case(public=True),
    ("GET", "/api/auth/error"): Case(public=True),
    ("GET", "/api/auth/verify-request"): Case(public=True),
    ("POST", "/api/auth/signin/credentials"): Case(
        public=True, form={"email": "eve@example.com", "password": "wrong wrong wrong"}
    ),
    ("GET", "/api/auth/csrf"): Case(public=True),
    ("GET", "/api/auth/providers"): Case(public=True),
    ("POST", "/api/auth/callback/credentials"): Case(
        public=True, form={"email": "eve@example.com", "password": "wrong wrong wrong"}
    ),
    ("POST", "/api/auth/signup"): Case(public=True, form={"email": "x", "password": "y"}),
    ("POST", "/api/auth/signout"): Case(public=True, form={"callbackUrl": "/"}),
    ("POST", "/api/auth/signin/{provider}"): Case(public=True, form={"callbackUrl": "/"}),
    ("GET", "/api/auth/callback/{provider}"): Case(public=True),
    ("POST", "/api/account/connections/{provider}"): Case(),
    ("DELETE", "/api/account/connections/{id}"): Case(),
    ("POST", "/api/auth/signin/email"): Case(public=True, form={"email": "eve@example.com"}),
    ("POST", "/api/auth/callback/email"): Case(public=True, form={"token": "x"}),
    ("POST", "/api/auth/reset"): Case(public=True, form={"email": "eve@example.com"}),
    ("POST", "/api/auth/reset/confirm"): Case(public=True, form={"token": "x", "password": "y"}),
    ("POST", "/api/auth/email-link"): Case(public=True, form={"token": "sign_up.x"}),
    ("POST", "/api/auth/verify"): Case(public=True, form={"token": "verify_email.x"}),
    ("POST", "/api/account/verify"): Case(),
    ("POST", "/api/account/email"): Case(body={"email": "eve@example.net"}),
    ("PATCH", "/api/account"): Case(body={"name": "Eve"}),
    ("DELETE", "/api/account"): Case(body={"confirm": "eve@example.com"}),
    ("GET", "/api/account/chat-defaults"): Case(),
    ("PATCH", "/api/account/chat-defaults"): Case(body={"effort": "low"}),
    ("GET", "/api/account/picture"): Case(),
    ("PUT", "/api/account/picture"): Case(body={"not": "a picture"}),
    ("DELETE", "/api/account/picture"): Case(),
    ("POST", "/api/account/password"): Case(body={"password": "another-Otter-teapot-91"}),
    ("DELETE", "/api/account/password"): Case(),
    ("GET", "/api/account/sessions"): Case(),
    ("DELETE", "/api/account/sessions/{id}"): Case(),
    ("POST", "/api/account/sessions/revoke-others"): Case(),
    ("POST", "/api/account/sessions/revoke-all"): Case(),
    ("GET", "/api/account/export"): Case(),
    ("POST", "/api/account/totp"): Case(),
    ("DELETE", "/api/account/totp"): Case(),
    ("POST", "/api/account/totp/confirm"): Case(body={"code": "123456"}),
    ("POST", "/api/account/backup-codes"): Case(),
    ("POST", "/api/auth/passkey/options"): Case(public=True),
    ("POST", "/api/auth/callback/passkey"): Case(public=True, form={"credential": "{}"}),
    ("POST", "/api/account/passkeys/options"): Case(),
    ("POST", "/api/account/passkeys"): Case(body={"credential": "{}", "name": "Mine"}),
    ("PATCH", "/api/account/passkeys/{id}"): Case(body={"name": "Taken over"}),
    ("DELETE", "/api/account/passkeys/{id}"): Case(),
    ("GET", "/api/account/api-keys"): Case(),
    ("POST", "/api/account/api-keys"): Case(body={"name": "Mine", "scopes": ["chat"]}),
    ("DELETE", "/api/account/api-keys/{id}"): Case(),
    ("POST", "/api/account/step-up"): Case(body={"password": "wrong wrong wrong"}),
    ("POST", "/api/account/step-up/passkey/options"): Case(),
    ("POST", "/api/account/step-up/passkey"): Case(body={"credential": "{}"}),
    ("POST", "/api/auth/callback/second-factor"): Case(public=True, form={"code": "123456"}),
    ("POST", "/api/chat"): Case(body={"id": "{id}", "messages": [question("Mine now?")]}),
    ("GET", "/api/chat/{id}/stream"): Case(),
    ("GET", "/api/chat/resume/{id}"): Case(),
    ("POST", "/api/chat/{id}/stop"): Case(),
    ("POST", "/api/ag-ui"): Case(body=agent_input("{id}", "Mine now?")),
    ("GET", "/api/models"): Case(),
    ("POST", "/v1/chat/completions"): Case(
        body={"model": "fake:2x0", "messages": [{"role": "user", "content": "Mine now?"}]}
    ),
    ("POST", "/v1/responses"): Case(body={"model": "fake:2x0", "input": "Mine now?"}),
    ("POST", "/v1/messages"): Case(
        body={
            "model": "fake:2x0",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "Mine now?"}],
        }
    ),
    ("GET", "/v1/models"): Case(),
    ("GET", "/v1/models/{model:path}"): Case(),
    ("GET", "/api/threads"): Case(),
    ("GET", "/api/search"): Case(),
    ("POST", "/api/threads"): Case(body={"title": "A thread of mine"}),
    ("GET", "/api/threads/{id}"): Case(),
    ("PATCH", "/api/threads/{id}"): Case(body={"title": "Taken over"}),
    ("DELETE", "/api/threads/{id}"): Case(),
    ("POST", "/api/threads/{id}/title"): Case(body={"messages": []}),
    ("GET", "/api/threads/{id}/messages"): Case(),
    ("POST", "/api/threads/{id}/messages"): Case(body=entry("Planted")),
    ("PATCH", "/api/threads/{id}/messages/{message}"): Case(body=entry("Planted")),
    ("POST", "/api/threads/{id}/compact"): Case(),
    ("DELETE", "/api/threads/{id}/messages/{message}"): Case(),
    ("GET", "/api/openapi.json"): Case(public=True),
    ("GET", "/api/docs"): Case(public=True),
    ("GET", "/api/health"): Case(public=True),
    ("GET", "/healthz"): Case(public=True),
    ("GET", "/readyz"): Case(public=True),
}
OF_A_THREAD = sorted(key for key, case in CASES.items() if "{id}" in f"{key[1]}{case.body}")
