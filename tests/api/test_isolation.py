"""Every route, anonymous and as another user, through the gateway; each needs a case."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from starlette.routing import Route

from chat_app.api.routes import http_app, routes
from chat_app.auth.principal import Principal
from chat_app.gateway import Gateway, cookies
from chat_app.services import services
from testing.reflex_tabs import Stage, stage
from testing.route_cases import CASES, OF_A_THREAD

SECRET = "kept between us"


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
            headers["Cookie"] = f"{cookies.session_name(put_up.live.settings)}={token}"
        transport = httpx.ASGITransport(Gateway(http_app(), services=services))
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
        user_id, method="password", remember=False, client_ip="127.0.0.1", user_agent="test"
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
async def test_a_foreign_id_looks_like_a_missing_one_to_the_byte(
    on_stage: Stage, method: str, path: str
) -> None:
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
async def test_other_routes_reveal_nothing_to_another_user(
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
