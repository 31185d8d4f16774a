"""Live sockets against the real server: what gets through, and how they end."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.types import Message, Send
from websockets.exceptions import InvalidStatus

from chat_app.core.signals import SESSIONS, Signal
from chat_app.db.errors import DatabaseBusy
from chat_app.gateway import Gateway
from chat_app.gateway.ports import GatewayTimeouts
from testing.gateway_server import House
from testing.socket_client import Attacker, attack, handshake_url


async def opened(stack: contextlib.AsyncExitStack, url: str, **how: Any) -> Attacker:
    """A socket that has been let in."""
    attacker = await stack.enter_async_context(attack(url, **how))
    assert await attacker.receive() == "4hello"
    return attacker


def shown(house: House) -> list[tuple[dict[str, str], str]]:
    """The headers and the query of every socket, as the app behind the door sees them."""
    return [
        (
            {key.decode(): value.decode() for key, value in scope["headers"]},
            scope["query_string"].decode(),
        )
        for scope in house.inner.scopes
    ]


async def refused(url: str, **how: Any) -> int:
    with pytest.raises(InvalidStatus) as error:
        async with attack(url, **how):
            pass
    return error.value.response.status_code


async def test_frames_pass_in_order_both_ways(house: House) -> None:
    async with attack(house.url, subprotocols=("0.10.1",)) as attacker:
        assert attacker.socket.subprotocol == "0.10.1"
        sent = [str(number) for number in range(50)]
        for text in sent:
            await attacker.send_raw(text)
        assert [await attacker.receive() for _ in range(51)] == ["4hello", *("4" + s for s in sent)]


async def test_the_app_sees_no_cookie_and_no_header_of_the_client_s_making(house: House) -> None:
    token, session_id = house.sessions.issue()
    forged = {
        "Authorization": str(uuid4()),
        "X-Forwarded-For": "1.1.1.1",
        "X-Forwarded-Proto": "https",
        "X-Anything": "canary",
        "User-Agent": "a browser",
    }
    async with contextlib.AsyncExitStack() as stack:
        await opened(stack, house.url, cookie=f"a=b; {house.cookie(token)}", headers=forged)
        await opened(stack, house.url, cookie="chat_session=unknown", headers=forged)
    signed_in, anonymous = (headers for headers, _ in shown(house))
    assert signed_in.pop("authorization") == str(session_id)
    allowed = {"host", "connection", "upgrade", "origin", "user-agent"}
    for headers in (signed_in, anonymous):
        websocket = {name for name in headers if name.startswith("sec-websocket-")}
        assert set(headers) - websocket == allowed
    assert token not in str(house.inner.scopes)
    assert house.inner.scopes[0]["client"][0] == "127.0.0.1"


async def test_the_origin_reaches_the_app_as_browsers_write_it(house: House) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await opened(stack, house.url, origin=house.url.upper())
    headers, _ = shown(house)[0]
    assert headers["origin"] == house.url


async def test_one_token_names_another_state_for_every_session(house: House) -> None:
    token, _ = house.sessions.issue()
    other, _ = house.sessions.issue()
    revoked, revoked_id = house.sessions.issue()
    house.sessions.revoke(revoked_id)
    tab = str(uuid4())
    cookies = [house.cookie(token), house.cookie(other), house.cookie(revoked), None]
    async with contextlib.AsyncExitStack() as stack:
        for cookie in (*cookies, house.cookie(token)):
            await opened(stack, house.url, token=tab, cookie=cookie)
    queries = [query for _, query in shown(house)]
    owner, stranger, dead, nobody, again = queries
    assert again == owner
    assert dead == nobody
    assert len({owner, stranger, nobody}) == 3
    for query in queries:
        assert tab not in query
        key = query.removeprefix("token=").removesuffix("&EIO=4&transport=websocket")
        assert str(UUID(key)) == key


TOKEN = "0b9f7b1e-5b0c-4a51-9f0e-0d1f3c1a2b3c"


ODD_QUERIES = (
    "",
    "EIO=4&transport=websocket",
    f"token={TOKEN}",
    f"token={TOKEN}&EIO=3&transport=websocket",
    f"token={TOKEN}&EIO=4&transport=polling",
    f"token={TOKEN}&EIO=4&transport=websocket&transport=polling",
    f"token={TOKEN}&EIO=4&transport=websocket&sid=abc",
    f"token={TOKEN}&token={TOKEN}&EIO=4&transport=websocket",
    "token=&EIO=4&transport=websocket",
    "token=short&EIO=4&transport=websocket",
    f"token={'a' * 65}&EIO=4&transport=websocket",
    "token=%00%00%00%00%00%00%00%00&EIO=4&transport=websocket",
    "token=../../etc/passwd&EIO=4&transport=websocket",
    f"token={TOKEN}&EIO=4&transport=websocket&" + "&".join(f"a{n}=1" for n in range(20)),
)


async def test_only_a_plain_handshake_with_one_token_is_let_in(house: House) -> None:
    for query in ODD_QUERIES:
        address = f"{house.url.replace('http', 'ws', 1)}/_event/?{query}"
        assert await refused(house.url, address=address) == 403, query
    assert house.inner.scopes == []


async def test_only_the_event_path_is_a_socket(house: House) -> None:
    for path in ("/", "/ws", "/_event2/", "/api/chat", "/_event/x/"):
        address = handshake_url(house.url, TOKEN).replace("/_event/", path)
        assert await refused(house.url, address=address) == 403, path
    assert house.inner.scopes == []


async def test_an_unknown_host_opens_no_socket(house: House) -> None:
    address = handshake_url(house.url, TOKEN).replace("localhost", "127.0.0.1")
    assert await refused(house.url, address=address) == 403


async def test_when_sessions_cannot_be_looked_up_no_socket_opens(house: House) -> None:
    house.sessions.broken = DatabaseBusy()
    assert await refused(house.url, cookie="chat_session=x") == 403
    assert house.inner.scopes == []


async def test_ending_a_session_closes_all_its_sockets_and_nothing_is_sent_after(
    house: House,
) -> None:
    token, session_id = house.sessions.issue()
    kept_token, _ = house.sessions.issue()
    async with contextlib.AsyncExitStack() as stack:
        doomed = [await opened(stack, house.url, cookie=house.cookie(token)) for _ in range(50)]
        kept = await opened(stack, house.url, cookie=house.cookie(kept_token))
        nobody = await opened(stack, house.url)
        assert house.guard.live.of_session(session_id) == 50
        senders = [send for _, send in house.inner.sockets]

        house.sessions.revoke(session_id)
        for send in senders:
            await send({"type": "websocket.send", "text": "4after"})

        assert {await attacker.closed_code() for attacker in doomed} == {4401}
        assert all("4after" not in attacker.frames for attacker in doomed)
        for _ in doomed:
            await house.left.get()
        assert await kept.receive() == "4after"
        assert await nobody.receive() == "4after"
        assert house.guard.live.of_session(session_id) == 0
        assert len(house.guard.live) == 2
        assert house.inner.disconnected == 50


async def test_a_session_that_ends_during_the_handshake_gets_no_socket(house: House) -> None:
    token, session_id = house.sessions.issue()
    house.sessions.after_reading = lambda: house.sessions.revoke(session_id)
    async with contextlib.AsyncExitStack() as stack:
        await opened(stack, house.url, cookie=house.cookie(token))
        headers, _ = shown(house)[0]
        assert "authorization" not in headers
        assert house.guard.live.session_ids() == frozenset()


async def test_a_session_over_by_itself_is_noticed_when_its_time_comes(house: House) -> None:
    token, _ = house.sessions.issue(lasts=timedelta(milliseconds=200))
    async with contextlib.AsyncExitStack() as stack:
        attacker = await opened(stack, house.url, cookie=house.cookie(token))
        async with asyncio.timeout(10):
            assert await attacker.closed_code() == 4401


async def test_a_session_whose_end_was_not_told_is_found_at_the_next_look(open_house) -> None:
    async with open_house(patience=GatewayTimeouts(revalidate=0.02)) as house:
        token, session_id = house.sessions.issue()
        async with contextlib.AsyncExitStack() as stack:
            attacker = await opened(stack, house.url, cookie=house.cookie(token))
            house.sessions.revoke(session_id, tell=False)
            assert await attacker.closed_code() == 4401


async def test_when_sessions_stay_out_of_reach_only_signed_in_sockets_end(open_house) -> None:
    async with open_house(patience=GatewayTimeouts(revalidate=0.02)) as house:
        token, _ = house.sessions.issue()
        async with contextlib.AsyncExitStack() as stack:
            attacker = await opened(stack, house.url, cookie=house.cookie(token))
            nobody = await opened(stack, house.url)
            house.sessions.broken = DatabaseBusy()
            assert await attacker.closed_code() == 4401
            await nobody.send_raw("still")
            assert await nobody.receive() == "4still"


async def test_after_a_look_that_failed_it_looks_again(open_house) -> None:
    async with open_house(patience=GatewayTimeouts(revalidate=0.02)) as house:
        token, session_id = house.sessions.issue()
        async with contextlib.AsyncExitStack() as stack:
            attacker = await opened(stack, house.url, cookie=house.cookie(token))
            house.sessions.revoke(session_id, tell=False)
            house.sessions.broken_once = DatabaseBusy()
            assert await attacker.closed_code() == 4401
            assert house.sessions.broken_once is None


async def test_a_hint_about_something_else_ends_nothing(house: House) -> None:
    token, session_id = house.sessions.issue()
    async with contextlib.AsyncExitStack() as stack:
        attacker = await opened(stack, house.url, cookie=house.cookie(token))
        house.services.bus.publish(SESSIONS, Signal("thread", session_id=session_id))
        house.services.bus.publish(SESSIONS, Signal("session_ended", session_id=uuid4()))
        await attacker.send_raw("still")
        assert await attacker.receive() == "4still"


async def test_a_flood_closes_the_one_who_floods_and_nobody_else(open_house) -> None:
    async with (
        open_house(socket_events_per_second=0.001, socket_event_burst=10) as house,
        contextlib.AsyncExitStack() as stack,
    ):
        token, _ = house.sessions.issue()
        flooding = await opened(stack, house.url, cookie=house.cookie(token))
        quiet = await opened(stack, house.url, cookie=house.cookie(token))
        for number in range(11):
            await flooding.send_raw(f"{number}")
        assert await flooding.closed_code() == 4429
        assert len(house.inner.heard) == 10
        await quiet.send_raw("still")
        assert await quiet.receive() == "4still"


FRAMES_TOO_BIG = ("x" * 8_001, "é" * 4_001, b"x" * 8_001, "x" * 3_000_000)


async def test_a_frame_over_the_limit_closes_the_socket_unseen(open_house) -> None:
    async with open_house(socket_frame_bytes=8_000, message_bytes=1_000) as house:
        for frame in FRAMES_TOO_BIG:
            async with contextlib.AsyncExitStack() as stack:
                attacker = await opened(stack, house.url)
                await attacker.send_raw(frame)
                assert await attacker.closed_code() == 1009
        assert house.inner.heard == []


async def test_a_frame_at_the_limit_passes(open_house) -> None:
    async with (
        open_house(socket_frame_bytes=8_000, message_bytes=1_000) as house,
        contextlib.AsyncExitStack() as stack,
    ):
        attacker = await opened(stack, house.url)
        for frame in ("x" * 8_000, "é" * 4_000):
            await attacker.send_raw(frame)
            assert await attacker.receive() == "4" + frame


async def test_one_socket_too_many_is_closed_and_told_why(open_house) -> None:
    async with (
        open_house(sockets_per_session=2, sockets_per_address=1) as house,
        contextlib.AsyncExitStack() as stack,
    ):
        token, _ = house.sessions.issue()
        other, _ = house.sessions.issue()
        first = await opened(stack, house.url, cookie=house.cookie(token))
        await opened(stack, house.url, cookie=house.cookie(token))
        await opened(stack, house.url)
        for cookie in (house.cookie(token), None):
            async with attack(house.url, cookie=cookie, subprotocols=("0.10.1",)) as extra:
                assert await extra.closed_code() == 4429
                assert extra.frames == []
            await house.left.get()
        assert house.guard.refused["sockets"] == 2
        await opened(stack, house.url, cookie=house.cookie(other))
        await first.socket.close()
        await house.left.get()
        await opened(stack, house.url, cookie=house.cookie(token))


async def test_a_socket_that_leaves_is_forgotten(house: House) -> None:
    for _ in range(3):
        async with contextlib.AsyncExitStack() as stack:
            await opened(stack, house.url)
            assert len(house.guard.live) == 1
        await house.left.get()
        assert len(house.guard.live) == 0
    assert house.inner.disconnected == 3


async def flood(send: Send) -> None:
    """Send more than any buffer on the way holds."""
    for _ in range(100):
        await send({"type": "websocket.send", "text": "4" + "x" * 1_000_000})


async def test_a_client_that_does_not_read_holds_the_app_back_until_its_session_ends(
    open_house,
) -> None:
    async with (
        open_house(patience=GatewayTimeouts(close=0.05)) as house,
        contextlib.AsyncExitStack() as stack,
    ):
        token, session_id = house.sessions.issue()
        attacker = await opened(stack, house.url, cookie=house.cookie(token))
        transport = attacker.socket.transport
        transport.pause_reading()  # pyright: ignore[reportAttributeAccessIssue]
        writing = asyncio.create_task(flood(house.inner.sockets[0][1]))
        _, held_back = await asyncio.wait({writing}, timeout=0.5)
        assert held_back
        house.sessions.revoke(session_id)
        await writing
        await house.left.get()
        assert len(house.guard.live) == 0
        assert house.inner.disconnected == 1
        transport.abort()  # the client has no other way to notice soon


async def test_a_client_that_never_reads_is_let_go(open_house) -> None:
    patience = GatewayTimeouts(look=0.02, stuck=0.1, close=0.05)
    async with open_house(patience=patience) as house, contextlib.AsyncExitStack() as stack:
        attacker = await opened(stack, house.url)
        transport = attacker.socket.transport
        transport.pause_reading()  # pyright: ignore[reportAttributeAccessIssue]
        await flood(house.inner.sockets[0][1])
        await house.left.get()
        assert len(house.guard.live) == 0
        assert house.inner.disconnected == 1
        transport.abort()  # the client has no other way to notice soon


async def stop(guard: Gateway) -> None:
    """Tell an app what a server tells it when it starts and stops."""
    told = iter(("lifespan.startup", "lifespan.shutdown"))

    async def receive() -> Message:
        return {"type": next(told)}

    async def send(message: Message) -> None:
        assert message["type"].endswith(".complete")

    await guard({"type": "lifespan"}, receive, send)


async def test_a_server_that_stops_lets_its_sockets_go(house: House) -> None:
    async with contextlib.AsyncExitStack() as stack:
        attacker = await opened(stack, house.url)
        await stop(house.guard)
        assert await attacker.closed_code() == 1001
        await house.left.get()
        assert house.inner.disconnected == 1
