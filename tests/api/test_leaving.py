"""Export and deletion of an account."""

import io
import json
import zipfile
from datetime import date
from uuid import UUID

import httpx
import pytest
from sqlmodel import func, select

from chat_app.auth.principal import Principal
from chat_app.db.tables import (
    AuditEvent,
    ClientReport,
    Message,
    OneTimeToken,
    Picture,
    Thread,
    metadata,
)
from testing.auth_api import PNG, signed_in
from testing.auth_services import PASSWORD, AuthHarness
from testing.usage import add_usage

EMAIL = "ada@example.org"


async def write(harness: AuthHarness, user_id: UUID, title: str, *texts: str) -> UUID:
    """A thread in which texts follow each other."""
    who = Principal(user_id, user_id)
    thread = Thread(owner_id=user_id, title=title)
    async with harness.db.write(who) as session:
        session.add(thread)
        await session.flush()
        parent = None
        for number, text in enumerate(texts):
            message = Message(
                owner_id=user_id,
                thread_id=thread.id,
                parent_id=parent,
                role="assistant" if number % 2 else "user",
                parts=[{"type": "text", "text": text}],
            )
            session.add(message)
            await session.flush()
            parent = message.id
        thread.head_id = parent
        report = ClientReport(owner_id=user_id, kind="run", content={"words": texts}, size=100)
        session.add(report)
    return thread.id


async def counts(harness: AuthHarness) -> dict[str, int]:
    """How many rows each table has, but for the audit log, which keeps what was done."""
    found = {}
    async with harness.db.system("auth") as session:
        for name, table in metadata.tables.items():
            if name == AuditEvent.__tablename__:
                continue
            found[name] = (await session.exec(select(func.count()).select_from(table))).one()
    return found


async def leave(browser: httpx.AsyncClient, confirm: str) -> httpx.Response:
    return await browser.request("DELETE", "/api/account", json={"confirm": confirm})


async def test_everything_stored_of_a_user_is_in_the_export(
    harness: AuthHarness, ada: UUID
) -> None:
    await write(harness, ada, "Rain / wind?", "A haiku, please", "Rain taps on the glass")
    await write(harness, ada, "🌧", "And now?")
    eve = await harness.accounts.add("eve@example.org", PASSWORD, "Eve")
    await write(harness, eve, "Eves own", "kept between us")
    await harness.sign_in(eve, user_agent="curl/8")
    for user_id, tokens in ((ada, 7), (eve, 99)):
        who = Principal(user_id, user_id)
        await add_usage(harness.db, who, date(2026, 1, 1), model="one", input_tokens=tokens)
    her_browser = await signed_in(harness, ada)
    await her_browser.put("/api/account/picture", content=PNG)
    response = await her_browser.get("/api/account/export")
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"] == 'attachment; filename="chat-export.zip"'
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert set(files) == {
        "account.json",
        "picture.png",
        "reports.json",
        "usage.json",
        "threads/0001-Rain-wind.json",
        "threads/0001-Rain-wind.md",
        "threads/0002.json",
        "threads/0002.md",
    }
    account = json.loads(files["account.json"])
    assert account["profile"]["email"] == EMAIL
    assert [one["issuer"] for one in account["accounts"]] == ["password"]
    assert [one["device"] for one in account["sessions"]] == ["Firefox on Linux"]
    reports = json.loads(files["reports.json"])
    assert [one["content"] for one in reports] == [
        {"words": ["A haiku, please", "Rain taps on the glass"]},
        {"words": ["And now?"]},
    ]
    (usage,) = json.loads(files["usage.json"])
    assert (usage["day"], usage["organisation"], usage["model"]) == ("2026-01-01", None, "one")
    assert (usage["calls"], usage["inputTokens"], usage["unreportedCalls"]) == (1, 7, 0)
    thread = json.loads(files["threads/0001-Rain-wind.json"])
    assert [one["parts"][0]["text"] for one in thread["messages"]] == [
        "A haiku, please",
        "Rain taps on the glass",
    ]
    assert files["threads/0001-Rain-wind.md"].decode() == (
        "# Rain / wind?\n\n## You\n\nA haiku, please\n\n## Answer\n\nRain taps on the glass\n"
    )
    everything = b"".join(files.values())
    for never in (b"kept between us", b"eve@example.org", b"argon2", b"token_hash"):
        assert never not in everything


async def test_deleting_an_account_leaves_nothing(harness: AuthHarness, ada: UUID) -> None:
    eve = await harness.accounts.add("eve@example.org", PASSWORD, "Eve")
    await write(harness, eve, "Eves own", "kept between us")
    await harness.sign_in(eve)
    before = await counts(harness)
    ada = await harness.accounts.add("new@example.org", PASSWORD, "New")
    await write(harness, ada, "Gone soon", "one", "two", "three")
    her_browser, elsewhere = await signed_in(harness, ada), await signed_in(harness, ada)
    await her_browser.put("/api/account/picture", content=PNG)
    hour = harness.time.hour
    await harness.tokens.create(
        "reset_password", lifetime=hour, user_id=ada, subject="new@example.org"
    )
    await harness.tokens.create("sign_in_link", lifetime=hour, subject="new@example.org")
    response = await leave(her_browser, " New@Example.org ")
    assert response.json() == {"url": f"{harness.settings.url}/signin"}
    assert "chat_session=;" in response.headers["set-cookie"]
    assert await counts(harness) == before
    assert [reason for _, reason in harness.ended] == ["removed", "removed"]
    assert (await elsewhere.get("/api/account/sessions")).status_code == 401
    assert before[OneTimeToken.__tablename__] == before[Picture.__tablename__] == 0


@pytest.mark.parametrize("typed", ["", "ada", "eve@example.org", "ada@example.org, b@c.d"])
async def test_deletion_needs_the_typed_email(harness: AuthHarness, ada: UUID, typed: str) -> None:
    before = await counts(harness)
    her_browser = await signed_in(harness, ada)
    response = await leave(her_browser, typed)
    assert (response.status_code, response.json()["error"]) == (422, "not_confirmed")
    assert await counts(harness) == before | {"auth_session": before["auth_session"] + 1}
    assert harness.ended == []


async def test_export_and_deletion_need_a_fresh_session(harness: AuthHarness, ada: UUID) -> None:
    her_browser = await signed_in(harness, ada)
    harness.time.passes(minutes=harness.settings.fresh_minutes, seconds=1)
    responses = [
        await leave(her_browser, EMAIL),
        await her_browser.get("/api/account/export"),
        await her_browser.post("/api/account/password", json={"password": "x" * 20}),
        await her_browser.delete("/api/account/password"),
    ]
    assert {one.json()["error"] for one in responses} == {"step_up_required"}
    assert await harness.sessions.resolve(her_browser.headers["cookie"].partition("=")[2])


async def test_a_new_account_with_the_same_email_is_empty(harness: AuthHarness, ada: UUID) -> None:
    await write(harness, ada, "Gone", "soon")
    await leave(await signed_in(harness, ada), EMAIL)
    again = await harness.accounts.add(EMAIL, PASSWORD, "")
    async with harness.db.read(Principal(again, again)) as session:
        assert (await session.exec(select(Thread))).all() == []
