"""Changing, setting and removing the password."""

from uuid import UUID

import httpx
import pytest
from sqlmodel import select

from chat_app.auth.errors import InvalidCredentials, InvalidToken
from chat_app.db.tables import Account, RememberedDevice
from testing.auth_api import signed_in
from testing.auth_services import PASSWORD, Stage

OTHER = "aaron@example.org"
EMAIL, NEW = "ada@example.org", "violet-Kettle-harbour-38"


async def change(browser: httpx.AsyncClient, password: str) -> httpx.Response:
    return await browser.post("/api/account/password", json={"password": password})


async def enters(stage: Stage, password: str, email: str = EMAIL) -> bool:
    try:
        await stage.accounts.sign_in(email=email, password=password, client_ip="192.0.2.9")
    except InvalidCredentials:
        return False
    return True


def token_of(response: httpx.Response) -> str:
    return response.headers["set-cookie"].partition(";")[0].partition("=")[2]


async def test_only_the_new_password_signs_in(stage: Stage, ada: UUID) -> None:
    await stage.accounts.add(OTHER, PASSWORD, "Aaron")
    assert (await change(await signed_in(stage, ada), NEW)).status_code == 204
    assert (await enters(stage, NEW), await enters(stage, PASSWORD)) == (True, False)
    assert (await enters(stage, NEW, OTHER), await enters(stage, PASSWORD, OTHER)) == (False, True)


async def test_a_password_change_revokes_other_sessions_and_renews_this_one(
    stage: Stage, ada: UUID
) -> None:
    mine, other = await stage.sign_in(ada, remember=True), await stage.sign_in(ada)
    eves = await stage.sign_in(await stage.person("eve@example.org"))
    her_browser = await signed_in(stage, ada, issued=mine)
    response = await change(her_browser, NEW)
    assert stage.ended == [(other.session_id, "password")]
    found = await stage.sessions.resolve(token_of(response))
    assert found is not None
    assert found.principal.credential_id == mine.session_id
    assert "Max-Age=" in response.headers["set-cookie"]
    assert await stage.sessions.resolve(mine.token) is None
    assert await stage.sessions.resolve(other.token) is None
    assert await stage.sessions.resolve(eves.token) is not None


async def test_a_password_change_revokes_tokens_and_devices(stage: Stage, ada: UUID) -> None:
    hour = stage.time.hour
    reset = await stage.tokens.create("reset_password", lifetime=hour, user_id=ada, subject=EMAIL)
    half = await stage.tokens.create("second_factor", lifetime=hour, user_id=ada)
    eve = await stage.person("eve@example.org")
    hers = await stage.tokens.create("reset_password", lifetime=hour, user_id=eve)
    async with stage.db.system("auth", write=True) as session:
        now = stage.time()
        session.add(
            RememberedDevice(user_id=ada, token_hash="a", created_at=now, expires_at=now + hour)
        )
    await change(await signed_in(stage, ada), NEW)
    with pytest.raises(InvalidToken):
        await stage.tokens.consume(reset, "reset_password")
    with pytest.raises(InvalidToken):
        await stage.tokens.consume(half, "second_factor")
    assert await stage.tokens.consume(hers, "reset_password")
    async with stage.db.system("auth") as session:
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
    stage: Stage, ada: UUID, password: str, code: str
) -> None:
    other = await stage.sign_in(ada)
    response = await change(await signed_in(stage, ada), password)
    assert (response.status_code, response.json()["error"]) == (422, code)
    assert await enters(stage, PASSWORD)
    assert await stage.sessions.resolve(other.token) is not None


async def test_a_user_without_a_password_can_set_one(stage: Stage) -> None:
    eve = await stage.person("eve@example.org")
    assert (await change(await signed_in(stage, eve), NEW)).status_code == 204
    proof = await stage.accounts.sign_in(email="eve@example.org", password=NEW, client_ip="::1")
    assert proof.email == "eve@example.org"


async def test_the_last_login_method_cannot_be_removed(stage: Stage, ada: UUID) -> None:
    response = await (await signed_in(stage, ada)).delete("/api/account/password")
    assert (response.status_code, response.json()["error"]) == (409, "last_way_in")
    assert await enters(stage, PASSWORD)


async def test_a_password_can_be_removed_when_there_is_another_method(
    stage: Stage, ada: UUID
) -> None:
    async with stage.db.system("auth", write=True) as session:
        session.add(Account(user_id=ada, issuer="https://id.example", subject="1"))
    her_browser = await signed_in(stage, ada)
    await stage.accounts.add(OTHER, PASSWORD, "Aaron")
    reset = await stage.tokens.create("reset_password", lifetime=stage.time.hour, user_id=ada)
    assert (await her_browser.delete("/api/account/password")).status_code == 204
    assert (await enters(stage, PASSWORD), await enters(stage, PASSWORD, OTHER)) == (False, True)
    with pytest.raises(InvalidToken):
        await stage.tokens.consume(reset, "reset_password")
    assert (await her_browser.delete("/api/account/password")).status_code == 404
