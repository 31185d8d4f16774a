"""A token that has a successor is replaced on the way out, unless somebody knows better."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from starlette.types import Receive, Scope, Send

from chat_app.core.signals import TOKENS, Signal
from testing.gateway_server import House, Inner

NEW = "the.successor"


@pytest.mark.parametrize("path", ["/", "/api/threads", "/api/auth/session"])
async def test_any_answer_brings_the_renewed_cookie(house: House, path: str) -> None:
    token, _ = house.sessions.issue(renewed=NEW, max_age=99)
    answer = await house.client.get(path, headers={"Cookie": house.cookie(token)})
    assert answer.status_code == 200
    assert answer.headers.get_list("set-cookie") == [
        f"chat_session={NEW}; Path=/; HttpOnly; SameSite=Lax; Max-Age=99"
    ]


async def test_a_redirect_of_the_door_brings_it_too(open_house: Any, tmp_path: Path) -> None:
    build = tmp_path / "client"
    build.mkdir()
    (build / "index.html").write_text("<p>page</p>")
    async with open_house(build=build) as house:
        token, _ = house.sessions.issue(renewed=NEW)
        answer = await house.client.get("/signin", headers={"Cookie": house.cookie(token)})
        assert answer.status_code == 303
        assert answer.headers["set-cookie"].startswith(f"chat_session={NEW};")


async def test_nothing_is_set_where_nothing_has_changed(house: House) -> None:
    token, _ = house.sessions.issue()
    for cookie in ({}, {"Cookie": house.cookie(token)}, {"Cookie": house.cookie("unknown")}):
        answer = await house.client.get("/api/auth/session", headers=cookie)
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("says", ["chat_session=another; Path=/", "chat_session=; Max-Age=0"])
async def test_an_answer_that_sets_the_session_itself_has_the_last_word(
    house: House, says: str
) -> None:
    token, _ = house.sessions.issue(renewed=NEW)
    house.inner.headers = [(b"set-cookie", b"chat_csrf=1"), (b"Set-Cookie", says.encode())]
    answer = await house.client.get("/api/auth/session", headers={"Cookie": house.cookie(token)})
    assert answer.headers.get_list("set-cookie") == ["chat_csrf=1", says]


async def test_another_cookie_does_not_keep_the_session_from_being_renewed(house: House) -> None:
    token, _ = house.sessions.issue(renewed=NEW)
    house.inner.headers = [(b"set-cookie", b"chat_session_other=1")]
    answer = await house.client.get("/api/auth/session", headers={"Cookie": house.cookie(token)})
    assert len(answer.headers.get_list("set-cookie")) == 2


def _ended(house: House, session_id: UUID) -> None:
    house.sessions.revoke(session_id)


def _replaced(house: House, session_id: UUID) -> None:
    house.services.bus.publish(TOKENS, Signal("session_token", session_id=session_id))


@pytest.mark.parametrize("happens", [_ended, _replaced])
async def test_a_session_that_changed_under_way_leaves_the_browser_s_newer_cookie_alone(
    open_house: Any, happens: Callable[[House, UUID], None]
) -> None:
    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        happens(houses[0], session_id)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    houses: list[House] = []
    async with open_house(inner=Inner(respond=respond)) as house:
        houses.append(house)
        token, session_id = house.sessions.issue(renewed=NEW)
        answer = await house.client.get(
            "/api/auth/session", headers={"Cookie": house.cookie(token)}
        )
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers


async def test_on_https_the_renewed_cookie_is_as_strict_as_the_first(open_house: Any) -> None:
    async with open_house(app_url="https://chat.example") as house:
        token, _ = house.sessions.issue(renewed=NEW)
        headers = {"Host": "chat.example", "Cookie": f"__Host-chat_session={token}"}
        answer = await house.client.get("/api/auth/session", headers=headers)
        assert answer.headers["set-cookie"] == (
            f"__Host-chat_session={NEW}; Path=/; HttpOnly; SameSite=Lax; Secure"
        )
