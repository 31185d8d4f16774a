"""Over HTTP: requests of a user who is removed from an organisation meanwhile, and foreign ids."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx
import pytest

from chat_app.api.routes import http_app
from chat_app.auth.principal import Principal
from chat_app.gateway import Gateway, cookies
from chat_app.services import install, services
from testing.auth_services import issue_session
from testing.email_flows import HERE
from testing.organisations import OrgHarness


@dataclass
class Colleagues:
    """Ada owns an organisation, in which Bob has a thread; his clients."""

    harness: OrgHarness
    ada: Principal
    bob: Principal
    org: UUID
    thread: UUID
    by_session: httpx.AsyncClient
    by_key: httpx.AsyncClient


@pytest.fixture
async def members(harness: OrgHarness) -> AsyncIterator[Colleagues]:
    live = harness.live
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, member=bob)
    now = await harness.now(bob)
    thread = await live.threads.create(now, title="at work", org_id=org)
    issued = await issue_session(live, bob.user_id, client_ip=HERE)
    made = await live.api_keys.create(
        now, name="", scopes=["threads:read", "threads:write"], days=7
    )
    cookie = f"{cookies.full_name(live.settings, cookies.SESSION)}={issued.token}"
    home = live.settings.url
    install(live)
    transport = httpx.ASGITransport(Gateway(http_app(), services=services))
    try:
        async with (
            httpx.AsyncClient(
                transport=transport, base_url=home, headers={"Origin": home, "Cookie": cookie}
            ) as by_session,
            httpx.AsyncClient(
                transport=transport, base_url=home, headers={"x-api-key": made.token}
            ) as by_key,
        ):
            yield Colleagues(harness, ada, bob, org, thread.id, by_session, by_key)
    finally:
        install(None)


@pytest.mark.parametrize("kind", ["session", "key"])
async def test_who_is_removed_in_the_middle_of_a_request_takes_no_thread_along(
    members: Colleagues, kind: str
) -> None:
    client = members.by_session if kind == "session" else members.by_key
    content = json.dumps({"orgId": None}).encode()
    is_waiting, go = asyncio.Event(), asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield content[:5]
        is_waiting.set()
        await go.wait()
        yield content[5:]

    path = f"/api/threads/{members.thread}"
    headers = {"Content-Type": "application/json"}
    live = members.harness.live
    async with asyncio.timeout(30):
        asked = asyncio.create_task(client.patch(path, content=pieces(), headers=headers))
        await is_waiting.wait()
        await live.members.remove(members.ada, members.org, members.bob.user_id)
        go.set()
        response = await asked
    assert (response.status_code, response.json()["code"]) == (409, "roles_changed")
    assert await members.harness.stored() == {"at work": members.org}
    assert (await client.get(path)).status_code == 404
    assert (await client.get("/api/threads")).json() == []


async def test_the_list_of_a_foreign_organisation_is_missing(members: Colleagues) -> None:
    foreign = await members.harness.organisation(members.ada)
    for client in (members.by_session, members.by_key):
        own = await client.get("/api/threads", params={"organisation": str(members.org)})
        assert [thread["title"] for thread in own.json()] == ["at work"]
        answers = [
            await client.get("/api/threads", params={"organisation": one, **more})
            for one in (str(foreign), str(uuid4()), "x")
            for more in ({}, {"limit": "5"}, {"search": "work"})
        ]
        assert {response.status_code for response in answers} == {404}
        assert len({response.content for response in answers}) == 1
