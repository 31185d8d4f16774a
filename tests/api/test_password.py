"""Changing, setting and removing the password."""

from uuid import UUID

import httpx
import pytest
from sqlmodel import select

from chat_app.auth.errors import InvalidCredentials, InvalidToken
from chat_app.db.tables import Account, RememberedDevice
from testing.auth_api import signed_in
from testing.auth_services import PASSWORD, AuthHarness

OTHER = "aaron@example.org"
EMAIL, NEW = "ada@example.org", "violet-Kettle-harbour-38"


async def change(browser: httpx.AsyncClient, password: str) -> httpx.Response:
    return await browser.post("/api/account/password", json={"password": password})


async def enters(harness: AuthHarness, password: str, email: str = EMAIL) -> bool:
    try:
        await harness.accounts.sign_in(email=email, password=password, client_ip="192.0.2.9")
    except InvalidCredentials:
        return False
    return True


def token_of(response: httpx.Response) -> str:
    return response.headers["set-cookie"].partition(";")[0].partition("=")[2]


async def test_only_the_new_password_signs_in(harness: AuthHarness, ada: UUID) -> None:
    await harness.accounts.add(OTHER, PASSWORD, "Aaron")
    assert (await change(await signed_in(harness, ada), NEW)).status_code == 204
    assert (await enters(harness, NEW), await enters(harness, PASSWORD)) == (True, False)
    assert (await enters(harness, NEW, OTHER), await enters(harness, PASSWORD, OTHER)) == (
        False,
        True,
    )


async def test_a_password_change_revokes_other_sessions_and_renews_this_one(
    harness: AuthHarness, ada: UUID
) -> None:
    mine, other = await harness.sign_in(ada, remember=True), await harness.sign_in(ada)
    eves = await harness.sign_in(await harness.person("eve@example.org"))
    her_browser = await signed_in(harness, ada, issued=mine)
    response = await change(her_browser, NEW)
    assert harness.ended == [(other.session_id, "password")]
    found = await harness.sessions.resolve(token_of(response))
    assert found is not None
    assert found.principal.credential_id == mine.session_id
    assert "Max-Age=" in response.headers.get_list("set-cookie")[0]
    assert await harness.sessions.resolve(mine.token) is None
    assert await harness.sessions.resolve(other.token) is None
    assert await harness.sessions.resolve(eves.token) is not None


async def test_a_password_change_revokes_tokens_and_devices(
    harness: AuthHarness, ada: UUID
) -> None:
    hour = harness.time.hour
    reset = await harness.tokens.create("reset_password", lifetime=hour, user_id=ada, subject=EMAIL)
    half = await harness.tokens.create("second_factor", lifetime=hour, user_id=ada)
    eve = await harness.person("eve@example.org")
    hers = await harness.tokens.create("reset_password", lifetime=hour, user_id=eve)
    async with harness.db.system("auth", write=True) as session:
        now = harness.time()
        session.add(
            RememberedDevice(user_id=ada, token_hash="a", created_at=now, expires_at=now + hour)
        )
    await change(await signed_in(harness, ada), NEW)
    with pytest.raises(InvalidToken):
        await harness.tokens.consume(reset, "reset_password")
    with pytest.raises(InvalidToken):
        await harness.tokens.consume(half, "second_factor")
    assert await harness.tokens.consume(hers, "reset_password")
    async with harness.db.system("auth") as session:
        assert (await session.exec(select(RememberedDevice))).all() == []


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password_too_short"),
        ("password1234", "weak_password"),
        ("ada@example.org", "weak_password"),
        ("x" * 1_025, "password_too_long"),
    ],
)
async def test_a_bad_password_changes_nothing(
    harness: AuthHarness, ada: UUID, password: str, code: str
) -> None:
    other = await harness.sign_in(ada)
    response = await change(await signed_in(harness, ada), password)
    assert (response.status_code, response.json()["error"]) == (422, code)
    assert await enters(harness, PASSWORD)
    assert await harness.sessions.resolve(other.token) is not None


async def test_a_user_without_a_password_can_set_one(harness: AuthHarness) -> None:
    eve = await harness.person("eve@example.org")
    assert (await change(await signed_in(harness, eve), NEW)).status_code == 204
    proof = await harness.accounts.sign_in(email="eve@example.org", password=NEW, client_ip="::1")
    assert proof.email == "eve@example.org"


async def test_the_last_login_method_cannot_be_removed(harness: AuthHarness, ada: UUID) -> None:
    response = await (await signed_in(harness, ada)).delete("/api/account/password")
    assert (response.status_code, response.json()["error"]) == (409, "last_way_in")
    assert await enters(harness, PASSWORD)


async def test_a_password_can_be_removed_when_there_is_another_method(
    harness: AuthHarness, ada: UUID
) -> None:
    async with harness.db.system("auth", write=True) as session:
        session.add(Account(user_id=ada, issuer="https://id.example", subject="1"))
    her_browser = await signed_in(harness, ada)
    await harness.accounts.add(OTHER, PASSWORD, "Aaron")
    reset = await harness.tokens.create("reset_password", lifetime=harness.time.hour, user_id=ada)
    assert (await her_browser.delete("/api/account/password")).status_code == 204
    assert (await enters(harness, PASSWORD), await enters(harness, PASSWORD, OTHER)) == (
        False,
        True,
    )
    with pytest.raises(InvalidToken):
        await harness.tokens.consume(reset, "reset_password")
    assert (await her_browser.delete("/api/account/password")).status_code == 404
