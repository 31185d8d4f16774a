"""A slow request changes nothing once its session or key has ended, however it ends."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest

from chat_app.api.routes import http_app
from chat_app.auth.principal import Principal
from chat_app.gateway import Gateway, cookies
from chat_app.services import Services, services
from testing.auth_services import issue_session
from testing.database import DatabaseUnderTest
from testing.reflex_tabs import PASSWORD, open_harness

EMAIL = "ada@example.org"
NEW_PASSWORD = "violet-Kettle-harbour-38"


@dataclass
class Here:
    """A user with two sessions and a key, and clients of both."""

    live: Services
    elsewhere: Principal
    key: Principal
    by_session: httpx.AsyncClient
    by_key: httpx.AsyncClient


@pytest.fixture
async def here(database: DatabaseUnderTest) -> AsyncIterator[Here]:
    async with open_harness(database.folder, **database.settings) as harness:
        live = harness.live
        user_id = await live.accounts.add(EMAIL, PASSWORD, "Ada")
        mine, other = [await issue_session(live, user_id) for _ in range(2)]
        elsewhere = Principal(user_id, other.session_id)
        made = await live.api_keys.create(
            elsewhere, name="", scopes=["chat", "threads:write"], days=7
        )
        found = await live.api_keys.resolve(made.token)
        assert found is not None
        cookie = f"{cookies.full_name(live.settings, cookies.SESSION)}={mine.token}"
        transport = httpx.ASGITransport(Gateway(http_app(), services=services))
        home = live.settings.url
        async with (
            httpx.AsyncClient(
                transport=transport, base_url=home, headers={"Origin": home, "Cookie": cookie}
            ) as by_session,
            httpx.AsyncClient(
                transport=transport, base_url=home, headers={"x-api-key": made.token}
            ) as by_key,
        ):
            yield Here(live, elsewhere, found.principal, by_session, by_key)


async def sign_out_elsewhere(here: Here) -> None:
    for session in await here.live.sessions.list(here.elsewhere):
        if not session.is_current:
            await here.live.sessions.revoke(here.elsewhere, session.id)


async def disable(here: Here) -> None:
    await here.live.user_access.disable(here.elsewhere.user_id)


async def reset_password(here: Here) -> None:
    token = await here.live.tokens.create(
        "reset_password",
        lifetime=timedelta(hours=1),
        user_id=here.elsewhere.user_id,
        subject=EMAIL,
    )
    await here.live.password_changes.reset(token, NEW_PASSWORD, "192.0.2.7")


async def revoke_key(here: Here) -> None:
    await here.live.api_keys.revoke(here.elsewhere, here.key.credential_id)


End = Callable[[Here], Awaitable[None]]
OF_SESSIONS: list[End] = [sign_out_elsewhere, disable, reset_password]
OF_KEYS: list[End] = [revoke_key, disable, reset_password]
CREATE = ("/api/threads", {"title": "Planted"})
SEND = ("/api/chat", {"message": {"role": "user", "parts": [{"type": "text", "text": "x"}]}})


async def begun_then_ended(
    here: Here, client: httpx.AsyncClient, how: End, path: str, body: object
) -> httpx.Response:
    """The response to a request whose credential ends in the middle of its body."""
    content = json.dumps(body).encode()
    is_waiting, go = asyncio.Event(), asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield content[:5]
        is_waiting.set()
        await go.wait()
        yield content[5:]

    headers = {"Content-Type": "application/json"}
    asked = asyncio.create_task(client.post(path, content=pieces(), headers=headers))
    await is_waiting.wait()
    await how(here)
    go.set()
    return await asked


@pytest.mark.parametrize("how", OF_SESSIONS, ids=lambda how: how.__name__)
async def test_a_slow_request_changes_nothing_after_its_session_ends(here: Here, how: End) -> None:
    response = await begun_then_ended(here, here.by_session, how, *CREATE)
    assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
    assert (await here.live.threads.page(here.elsewhere)).threads == []


@pytest.mark.parametrize("how", OF_KEYS, ids=lambda how: how.__name__)
async def test_a_slow_request_changes_nothing_after_its_key_ends(here: Here, how: End) -> None:
    path, body = SEND if how is revoke_key else CREATE
    response = await begun_then_ended(here, here.by_key, how, path, body)
    assert (response.status_code, response.json()["code"]) == (401, "invalid_api_key")
    assert (await here.live.threads.page(here.elsewhere)).threads == []


async def test_a_slow_request_succeeds_while_its_credential_is_valid(here: Here) -> None:
    async def end_another(here: Here) -> None:
        await here.live.sessions.revoke(here.elsewhere, here.elsewhere.credential_id)

    for client in (here.by_session, here.by_key):
        response = await begun_then_ended(here, client, end_another, *CREATE)
        assert response.status_code == 201
