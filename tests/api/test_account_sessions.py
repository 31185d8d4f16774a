"""`/api/account/sessions`: list and revoke."""

from uuid import UUID, uuid4

import pytest

from testing.auth_api import signed_in
from testing.auth_services import AuthHarness


async def test_the_list_marks_the_current_session(harness: AuthHarness, ada: UUID) -> None:
    here = await signed_in(harness, ada)
    await signed_in(harness, ada, user_agent="curl/8")
    await signed_in(harness, await harness.person("eve@example.org"))
    listed = (await here.get("/api/account/sessions")).json()["sessions"]
    assert {(one["device"], one["current"]) for one in listed} == {
        ("Firefox on Linux", True),
        ("curl", False),
    }
    assert {one["network"] for one in listed} == {"192.0.2.0/24"}


async def test_one_session_is_revoked_and_the_others_stay(harness: AuthHarness, ada: UUID) -> None:
    here, there = await signed_in(harness, ada), await signed_in(harness, ada)
    listed = (await here.get("/api/account/sessions")).json()["sessions"]
    (other,) = [one["id"] for one in listed if not one["current"]]
    response = await here.delete(f"/api/account/sessions/{other}")
    assert (response.status_code, "set-cookie" in response.headers) == (204, False)
    assert harness.ended == [(UUID(other), "revoked")]
    assert (await there.get("/api/account/sessions")).status_code == 401
    assert (await here.get("/api/account/sessions")).status_code == 200


async def test_a_foreign_session_is_a_missing_one(harness: AuthHarness, ada: UUID) -> None:
    hers = await harness.sign_in(ada)
    eve = await signed_in(harness, await harness.person("eve@example.org"))
    responses = [
        await eve.delete(f"/api/account/sessions/{one}") for one in (hers.session_id, uuid4())
    ]
    assert {(one.status_code, one.content) for one in responses} == {(404, responses[1].content)}
    assert await harness.sessions.resolve(hers.token) is not None
    assert harness.ended == []


async def test_the_other_sessions_are_revoked_and_this_one_stays(
    harness: AuthHarness, ada: UUID
) -> None:
    here, there = await signed_in(harness, ada), await signed_in(harness, ada)
    eves = await harness.sign_in(await harness.person("eve@example.org"))
    assert (await here.post("/api/account/sessions/revoke-others")).status_code == 204
    assert (await there.get("/api/account/sessions")).status_code == 401
    assert len((await here.get("/api/account/sessions")).json()["sessions"]) == 1
    assert await harness.sessions.resolve(eves.token) is not None


@pytest.mark.parametrize("everywhere", [True, False])
async def test_revoking_the_current_session_clears_the_cookie(
    harness: AuthHarness, ada: UUID, everywhere: bool
) -> None:
    here, there = await signed_in(harness, ada), await signed_in(harness, ada)
    listed = (await here.get("/api/account/sessions")).json()["sessions"]
    (this,) = [one["id"] for one in listed if one["current"]]
    if everywhere:
        response = await here.post("/api/account/sessions/revoke-all")
    else:
        response = await here.delete(f"/api/account/sessions/{this}")
    assert response.json() == {"url": f"{harness.settings.url}/signin"}
    assert "chat_session=;" in response.headers["set-cookie"]
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert (await here.get("/api/account/sessions")).status_code == 401
    assert (await there.get("/api/account/sessions")).status_code == (401 if everywhere else 200)
