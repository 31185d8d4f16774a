"""`/api/account`: name and picture, and the freshness of sessions."""

from typing import Any
from uuid import UUID

import pytest

from chat_app.core.signals import Signal, user_topic
from chat_app.db.tables import User
from testing.auth_api import PNG, ROUTES, browser, signed_in
from testing.auth_services import PASSWORD, AuthHarness
from testing.pictures import photo, tells


async def name_of(harness: AuthHarness, user_id: UUID) -> str:
    async with harness.db.system("auth") as session:
        user = await session.get(User, user_id)
        assert user is not None
        return user.name


async def test_a_sensitive_route_accepts_a_fresh_session(harness: AuthHarness, ada: UUID) -> None:
    response = await (await signed_in(harness, ada)).post("/api/sensitive")
    assert (response.status_code, response.text) == (200, "True")


async def test_a_sensitive_route_requires_a_step_up_when_the_session_is_not_fresh(
    harness: AuthHarness, ada: UUID
) -> None:
    her_browser = await signed_in(harness, ada)
    harness.time.passes(minutes=harness.settings.fresh_minutes, seconds=1)
    response = await her_browser.post("/api/sensitive")
    assert response.status_code == 403
    assert response.json()["error"] == "step_up_required"


async def test_a_sensitive_route_refuses_anonymous_requests(harness: AuthHarness) -> None:
    response = await browser(harness, routes=ROUTES).post("/api/sensitive")
    assert response.status_code == 401


async def test_a_user_can_change_their_name(harness: AuthHarness, ada: UUID) -> None:
    told: list[Signal] = []
    other = await harness.accounts.add("aaron@example.org", PASSWORD, "Aaron")
    harness.bus.subscribe_callback(user_topic(ada), told.append)
    response = await (await signed_in(harness, ada)).patch(
        "/api/account", json={"name": " Ada L. "}
    )
    assert response.status_code == 204
    assert await name_of(harness, ada) == "Ada L."
    assert await name_of(harness, other) == "Aaron"
    assert [hint.kind for hint in told] == ["user"]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x" * 101},
        {"name": "turned\u202earound"},
        {"name": 7},
        {},
        {"name": "Eve", "email": "eve@example.org"},
        {"name": "Eve", "disabled_at": None},
    ],
)
async def test_an_invalid_name_or_another_field_changes_nothing(
    harness: AuthHarness, ada: UUID, body: dict[str, Any]
) -> None:
    response = await (await signed_in(harness, ada)).patch("/api/account", json=body)
    assert response.status_code == 422
    assert await name_of(harness, ada) == "Ada"


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
async def test_a_picture_is_served_with_its_type_and_without_what_it_told(
    harness: AuthHarness, ada: UUID, kind: str
) -> None:
    her_browser = await signed_in(harness, ada)
    response = await her_browser.put(
        "/api/account/picture", content=photo(kind.upper()), headers={"Content-Type": "text/html"}
    )
    assert response.status_code == 204
    shown = await her_browser.get("/api/account/picture")
    assert shown.headers["content-type"] == f"image/{kind}"
    assert tells(shown.content) == []


async def test_a_second_picture_replaces_the_first(harness: AuthHarness, ada: UUID) -> None:
    her_browser = await signed_in(harness, ada)
    for content in (photo(), PNG):
        assert (await her_browser.put("/api/account/picture", content=content)).is_success
    assert (await her_browser.get("/api/account/picture")).content == PNG
    assert (await her_browser.delete("/api/account/picture")).status_code == 204
    assert (await her_browser.get("/api/account/picture")).status_code == 404


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", 422),
        (b"GIF89a" + bytes(20), 422),
        (b"<!doctype html>\x89PNG\r\n\x1a\n", 422),
        (b"", 422),
        (PNG + bytes(512_000), 413),
    ],
)
async def test_a_body_that_is_no_picture_is_refused(
    harness: AuthHarness, ada: UUID, content: bytes, status: int
) -> None:
    her_browser = await signed_in(harness, ada)
    response = await her_browser.put("/api/account/picture", content=content)
    assert response.status_code == status
    assert (await her_browser.get("/api/account/picture")).status_code == 404


async def test_a_user_cannot_see_the_picture_of_another_user(
    harness: AuthHarness, ada: UUID
) -> None:
    await (await signed_in(harness, ada)).put("/api/account/picture", content=PNG)
    eve = await signed_in(harness, await harness.person("eve@example.org"))
    assert (await eve.get("/api/account/picture")).status_code == 404
