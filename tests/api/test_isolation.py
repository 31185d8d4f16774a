"""Every route as anonymous and as a stranger, through the guard; a route without a case fails."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from starlette.routing import Route

from chat_app.api.routes import http_face, routes
from chat_app.auth import cookie
from chat_app.auth.principal import Principal
from chat_app.guard import Guard
from chat_app.services import services
from tests.states.stage import Stage, stage

SECRET = "kept between us"


@dataclass(frozen=True)
class Case:
    """How a route is called.

    Args:
        public: Whether somebody without a session may call it.
        body: The JSON it wants.
        form: The form it wants.
    """

    public: bool = False
    body: Any = None
    form: dict[str, str] = field(default_factory=dict)


def question(text: str) -> dict[str, Any]:
    return {"id": uuid4().hex, "role": "user", "parts": [{"type": "text", "text": text}]}


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
    ("POST", "/api/auth/letter"): Case(public=True, form={"token": "sign_up.x"}),
    ("POST", "/api/auth/verify"): Case(public=True, form={"token": "verify_email.x"}),
    ("POST", "/api/account/verify"): Case(),
    ("POST", "/api/account/email"): Case(body={"email": "eve@example.net"}),
    ("PATCH", "/api/account"): Case(body={"name": "Eve"}),
    ("DELETE", "/api/account"): Case(body={"confirm": "eve@example.com"}),
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
    ("POST", "/api/account/step-up"): Case(body={"password": "wrong wrong wrong"}),
    ("POST", "/api/account/step-up/passkey/options"): Case(),
    ("POST", "/api/account/step-up/passkey"): Case(body={"credential": "{}"}),
    ("POST", "/api/auth/callback/second-factor"): Case(public=True, form={"code": "123456"}),
    ("POST", "/api/chat"): Case(body={"id": "{id}", "messages": [question("Mine now?")]}),
    ("GET", "/api/chat/{id}/stream"): Case(),
    ("POST", "/api/chat/{id}/stop"): Case(),
    ("GET", "/api/models"): Case(),
    ("GET", "/api/threads"): Case(),
    ("POST", "/api/threads"): Case(body={"title": "A thread of mine"}),
    ("GET", "/api/threads/{id}"): Case(),
    ("PATCH", "/api/threads/{id}"): Case(body={"title": "Taken over"}),
    ("DELETE", "/api/threads/{id}"): Case(),
    ("GET", "/api/threads/{id}/messages"): Case(),
    ("GET", "/api/health"): Case(public=True),
}
OF_A_THREAD = sorted(key for key, case in CASES.items() if "{id}" in f"{key[1]}{case.body}")
PRIVATE = sorted(key for key, case in CASES.items() if not case.public)


@pytest.fixture
async def on_stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as put_up:
        yield put_up


class Visitor:
    """Somebody who calls routes through the guard."""

    def __init__(self, put_up: Stage, token: str | None) -> None:
        home = put_up.live.settings.url
        headers = {"Origin": home, "X-Auth-Return-Redirect": "1"}
        if token:
            headers["Cookie"] = f"{cookie.session_name(put_up.live.settings)}={token}"
        transport = httpx.ASGITransport(Guard(http_face(), services=services))
        self.http = httpx.AsyncClient(transport=transport, base_url=home, headers=headers)

    async def call(self, method: str, path: str, thread: str) -> httpx.Response:
        case = CASES[method, path]
        wanted: dict[str, Any] = {}
        if case.body is not None:
            wanted["json"] = {**case.body, **({"id": thread} if "id" in case.body else {})}
        elif case.form:
            wanted["data"] = case.form
        return await self.http.request(method, path.replace("{id}", thread), **wanted)


async def signed_in(put_up: Stage, email: str) -> tuple[Principal, Visitor]:
    user_id = await put_up.live.accounts.add(email, "correct horse battery staple", "")
    issued = await put_up.live.sessions.issue(
        user_id, method="password", remember=False, address="127.0.0.1", user_agent="test"
    )
    return Principal(user_id, issued.session_id), Visitor(put_up, issued.token)


async def answered(put_up: Stage, who: Principal) -> str:
    """A thread with an answered question; its id."""
    sent = await put_up.live.runs.send(who, text=SECRET, client_id="c1", model="fake:5x0")
    async for _ in put_up.live.runs.follow(who, sent.run_id):
        pass
    return str(sent.thread_id)


async def everything(put_up: Stage, who: Principal, thread: str) -> tuple[Any, ...]:
    page = await put_up.live.threads.page(who)
    return page, await put_up.live.threads.window(who, UUID(thread))


def calls(put_up: Stage) -> int:
    return sum(getattr(model, "calls", 0) for model in put_up.live.models.all())


def test_every_route_has_a_case() -> None:
    there = {
        (method, route.path)
        for route in routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert len(routes) == len({route.path + str(route.methods) for route in routes})
    assert there == set(CASES)


@pytest.mark.parametrize(("method", "path"), PRIVATE)
async def test_anonymous_is_refused(on_stage: Stage, method: str, path: str) -> None:
    ada, _ = await signed_in(on_stage, "ada@example.com")
    thread = await answered(on_stage, ada)
    before, asked = await everything(on_stage, ada, thread), calls(on_stage)
    for token in (None, "forged"):
        answer = await Visitor(on_stage, token).call(method, path, thread)
        assert answer.status_code == 401
        assert SECRET not in answer.text
    assert await everything(on_stage, ada, thread) == before
    assert calls(on_stage) == asked


@pytest.mark.parametrize(("method", "path"), OF_A_THREAD)
async def test_foreign_is_missing_to_the_byte(on_stage: Stage, method: str, path: str) -> None:
    ada, _ = await signed_in(on_stage, "ada@example.com")
    thread = await answered(on_stage, ada)
    eve, visitor = await signed_in(on_stage, "eve@example.com")
    deleted = await answered(on_stage, eve)
    await on_stage.live.threads.delete(eve, UUID(deleted))
    before, asked = await everything(on_stage, ada, thread), calls(on_stage)
    ids = [thread, str(uuid4()), deleted, "not-an-id", thread.upper(), "0" * 300]
    answers = [await visitor.call(method, path, one) for one in ids]
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (404, answers[0].content)
    }
    assert len({str(sorted(answer.headers.items())) for answer in answers}) == 1
    assert await everything(on_stage, ada, thread) == before
    assert calls(on_stage) == asked


@pytest.mark.parametrize(("method", "path"), sorted(set(CASES) - set(OF_A_THREAD)))
async def test_other_routes_tell_a_stranger_nothing(
    on_stage: Stage, method: str, path: str
) -> None:
    ada, _ = await signed_in(on_stage, "ada@example.com")
    thread = await answered(on_stage, ada)
    _, visitor = await signed_in(on_stage, "eve@example.com")
    before = await everything(on_stage, ada, thread)
    answer = await visitor.call(method, path, thread)
    assert answer.status_code < 500
    assert SECRET not in answer.text
    assert thread not in answer.text
    assert "ada@example.com" not in answer.text
    assert await everything(on_stage, ada, thread) == before
