"""`/api/admin/audit`: for site admins who have just authenticated, and for no other user."""

import csv
import io
import json
from uuid import UUID

import httpx
import pytest
from starlette.routing import Mount, Router
from starlette.types import Message, Receive, Scope, Send

from chat_app.api import audit
from chat_app.audit.export import COLUMNS
from chat_app.auth.account.roles import SiteRoles
from chat_app.gateway import cookies
from testing.audit_log import write_events
from testing.auth_api import browser
from testing.auth_services import AuthHarness

PATH = "/api/admin/audit"


async def signed_in(harness: AuthHarness, user_id: UUID) -> httpx.AsyncClient:
    issued = await harness.sign_in(user_id)
    name = cookies.full_name(harness.settings, cookies.SESSION)
    return browser(harness, routes=audit.routes, Cookie=f"{name}={issued.token}")


async def test_only_a_site_admin_who_has_just_authenticated_gets_the_log(
    harness: AuthHarness,
) -> None:
    ada = await harness.person()
    roles = SiteRoles(harness.db, harness.bus)
    client = await signed_in(harness, ada)
    refused, missing = await client.get(PATH), await client.get("/api/admin/nothing")
    assert (refused.status_code, refused.content) == (404, missing.content)
    await roles.promote(ada)
    response = await client.get(PATH)
    assert response.status_code == 200
    assert response.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    assert "no-store" in response.headers["cache-control"]
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    assert [one["action"] for one in rows][-2:] == ["role_changed", "audit_exported"]
    harness.time.passes(minutes=harness.settings.fresh_minutes, seconds=1)
    stale = await client.get(PATH)
    assert (stale.status_code, stale.json()["error"]) == (403, "step_up_required")


@pytest.mark.parametrize("reason", ["the role", "the session"])
async def test_an_export_ends_with_the_role_and_with_the_session(
    harness: AuthHarness, reason: str
) -> None:
    ada = await harness.person()
    roles, router = SiteRoles(harness.db, harness.bus), Router(audit.routes)
    await roles.promote(ada)
    await write_events(harness.db, 1_000)
    ended: list[UUID] = []

    async def end_after_the_first_lines(scope: Scope, receive: Receive, send: Send) -> None:
        async def watch(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not ended:
                ended.append(ada)
                if reason == "the role":
                    await roles.demote(ada)
                else:
                    await harness.sessions.revoke_user(ada, reason="revoked")

        await router(scope, receive, watch)

    issued = await harness.sign_in(ada)
    name = cookies.full_name(harness.settings, cookies.SESSION)
    client = browser(
        harness,
        routes=[Mount("", end_after_the_first_lines)],
        Cookie=f"{name}={issued.token}",
    )
    response = await client.get(PATH)
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    assert ended
    assert 100 < len(rows) < 300
    assert [one["action"] for one in rows].count("export_cut") == 1
    assert rows[-1] == dict.fromkeys(COLUMNS, "") | {"action": "export_cut"}


async def test_filters_limit_an_export_and_a_mistake_in_them_is_told(harness: AuthHarness) -> None:
    ada, eve = await harness.person(), await harness.person("eve@example.org")
    await SiteRoles(harness.db, harness.bus).promote(ada)
    client = await signed_in(harness, ada)
    await harness.sign_in(eve)
    asked = {"format": "jsonl", "email": "Eve@example.org", "action": "sign_in"}
    response = await client.get(PATH, params=asked)
    rows = [json.loads(one) for one in response.text.splitlines()]
    assert [one["action"] for one in rows] == ["sign_in"]
    response = await client.get(PATH, params=asked | {"since": "0001-01-01", "until": "9999-12-31"})
    assert (response.status_code, len(response.text.splitlines())) == (200, 1)
    for wrong in (
        {"email": "nobody@example.org"},
        {"action": "x"},
        {"since": "yesterday"},
        {"format": "xml"},
    ):
        refused = await client.get(PATH, params=wrong)
        assert refused.status_code == 422, wrong
