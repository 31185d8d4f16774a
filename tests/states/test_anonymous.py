"""A tab without a session is led to the sign-in page."""

import pytest

from chat_app.settings import read_settings
from chat_app.states import auth
from chat_app.states.auth import AuthState
from testing.reflex_tabs import Harness

THREAD = "3f0b6f0e-2a57-4e4e-9d64-3f6f1f6f2a11"
SPLIT = {"app_url": "https://chat.example.com", "reflex_api_url": "https://api.example.com"}


@pytest.mark.parametrize(
    ("given", "thread", "target"),
    [
        ({}, THREAD, "/signin"),
        (SPLIT, THREAD, f"/signin?callbackUrl=%2Fc%2F{THREAD}"),
        (
            SPLIT,
            f"{THREAD}?message=4&x=#y",
            f"/signin?callbackUrl=%2Fc%2F{THREAD}%3Fmessage%3D4%26x%3D%23y",
        ),
        (SPLIT, "", "/signin"),
    ],
)
async def test_where_no_gateway_sends_the_page_it_is_come_back_to(
    harness: Harness,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, str],
    thread: str,
    target: str,
) -> None:
    monkeypatch.setattr(auth, "settings", lambda: read_settings(**given))
    tab = await harness.tab(None)
    await tab.send(AuthState.on_auth_change(), thread)
    events = [event for update in tab.updates for event in update.events or ()]
    assert {event.payload["path"] for event in events} == {target}
    assert (await tab.state(AuthState)).phase == "anonymous"
