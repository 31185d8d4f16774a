"""Security events in the log: each sign-in, failure, lock-out and change of an account."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pyotp.totp import TOTP

from chat_app.api.routes import http_app
from chat_app.gateway import Gateway
from chat_app.services import services
from testing.auth_api import JSON, everything_logged
from testing.database import DatabaseUnderTest
from testing.reflex_tabs import PASSWORD, Harness, open_harness

EMAIL = "ada@example.com"


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[Harness]:
    async with open_harness(
        database.folder, **database.settings, limit_sign_in_pair="2/minute"
    ) as one:
        yield one


@pytest.fixture
async def browser(harness: Harness) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Gateway(http_app(), services=services), client=("::1", 5))
    home = harness.live.settings.url
    async with httpx.AsyncClient(
        transport=transport, base_url=home, headers={"Origin": home, **JSON}
    ) as one:
        yield one


async def test_sign_in_failure_lock_out_and_sign_out_are_logged_without_what_was_typed(
    harness: Harness, browser: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    user_id = await harness.live.accounts.add(EMAIL, PASSWORD, "Ada")
    path = "/api/auth/callback/credentials"
    caplog.clear()
    wrong, right = ({"email": EMAIL, "password": text} for text in ("typed-secret", PASSWORD))
    with everything_logged(caplog):
        await browser.post(path, data=wrong)
        await browser.post(path, data=right)
        await browser.post("/api/auth/signout")
        browser.cookies.clear()  # a browser that is known has limits of its own
        for _ in range(2):
            await browser.post(path, data=wrong)
    events = _events(caplog)
    assert [event["event"] for event in events] == [
        *("sign_in_failed", "sign_in", "session_ended", "sign_in_failed", "locked_out")
    ]
    failed, signed_in, ended, _, locked = events
    assert failed == {
        "event": "sign_in_failed",
        "error": "CredentialsSignin",
        "path": path,
        "client": "::1",
    }
    assert (signed_in["user"], signed_in["client"]) == (user_id, "::1")
    assert (ended["session"], ended["reason"]) == (signed_in["session"], "signed_out")
    assert (locked["error"], locked["client"]) == ("RateLimited", "::1")
    ours = [one for one in caplog.records if one.name.startswith("chat_app")]
    said = "".join(f"{one.getMessage()}{one.__dict__.get('fields')}" for one in ours)
    assert not [text for text in (EMAIL, "typed-secret", PASSWORD) if text in said]


async def test_every_change_of_what_gives_access_is_logged(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    live = harness.live
    with everything_logged(caplog):
        ada = await harness.user(EMAIL)
        secret = await live.two_factor.begin(ada)
        await live.two_factor.confirm(ada, TOTP(secret).now())
        await live.two_factor.turn_off(ada)
        await live.password_changes.set(ada, "another battery horse staple", "::1")
        await live.user_access.disable(ada.user_id)
        await live.user_access.enable(ada.user_id)
    events = _events(caplog)
    assert [event["event"] for event in events] == [
        *("user_created", "sign_in", "second_factor_on", "second_factor_off"),
        *("password_changed", "session_ended", "user_disabled", "user_enabled"),
    ]
    of_the_user = [event for event in events if event["event"] != "session_ended"]
    assert {event["user"] for event in of_the_user} == {ada.user_id}


def _events(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [one.__dict__["fields"] for one in caplog.records if one.name == "chat_app.security"]
