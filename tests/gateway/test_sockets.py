"""The socket gateway against the real server: frames, limits, and how sockets end."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.types import Message, Send
from websockets.exceptions import InvalidStatus

from chat_app.core.errors import DatabaseBusy
from chat_app.core.signals import CREDENTIALS, Signal
from chat_app.gateway import Gateway
from chat_app.gateway.connections import GatewayTimeouts
from testing.gateway_server import GatewayServer
from testing.socket_client import connect, handshake_url, opened


def shown(server: GatewayServer) -> list[tuple[dict[str, str], str]]:
    """The headers and the query of every socket, as the app behind the gateway gets them."""
    return [
        (
            {key.decode(): value.decode() for key, value in scope["headers"]},
            scope["query_string"].decode(),
        )
        for scope in server.app.scopes
    ]


async def refused(url: str, **how: Any) -> int:
    with pytest.raises(InvalidStatus) as error:
        async with connect(url, **how):
            pass
    return error.value.response.status_code


async def test_frames_pass_in_order_both_ways(server: GatewayServer) -> None:
    async with connect(server.url, subprotocols=("0.10.1",)) as attacker:
        assert attacker.socket.subprotocol == "0.10.1"
        sent = [str(number) for number in range(50)]
        for text in sent:
            await attacker.send_raw(text)
        assert [await attacker.receive() for _ in range(51)] == ["4hello", *("4" + s for s in sent)]


async def test_the_app_gets_no_cookie_and_no_forged_header(
    server: GatewayServer,
) -> None:
    token, session_id = server.sessions.issue()
    forged = {
        "Authorization": str(uuid4()),
        "X-Forwarded-For": "1.1.1.1",
        "X-Forwarded-Proto": "https",
        "X-Request-Id": "canary",
        "X-Anything": "canary",
        "User-Agent": "a browser",
    }
    async with contextlib.AsyncExitStack() as stack:
        await opened(stack, server.url, cookie=f"a=b; {server.cookie(token)}", headers=forged)
        await opened(stack, server.url, cookie="chat_session=unknown", headers=forged)
    signed_in, anonymous = (headers for headers, _ in shown(server))
    assert signed_in.pop("authorization") == str(session_id)
    assert "canary" not in str(server.app.scopes)
    allowed = {"host", "connection", "upgrade", "origin", "user-agent", "x-request-id"}
    for headers in (signed_in, anonymous):
        websocket = {name for name in headers if name.startswith("sec-websocket-")}
        assert set(headers) - websocket == allowed
    assert token not in str(server.app.scopes)
    assert server.app.scopes[0]["client"][0] == "127.0.0.1"


async def test_the_app_gets_the_origin_in_lower_case(server: GatewayServer) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await opened(stack, server.url, origin=server.url.upper())
    headers, _ = shown(server)[0]
    assert headers["origin"] == server.url


async def test_one_client_token_is_another_state_in_every_session(server: GatewayServer) -> None:
    token, _ = server.sessions.issue()
    other, _ = server.sessions.issue()
    revoked, revoked_id = server.sessions.issue()
    server.sessions.revoke(revoked_id)
    tab = str(uuid4())
    cookies = [server.cookie(token), server.cookie(other), server.cookie(revoked), None]
    async with contextlib.AsyncExitStack() as stack:
        for cookie in (*cookies, server.cookie(token)):
            await opened(stack, server.url, token=tab, cookie=cookie)
    queries = [query for _, query in shown(server)]
    owner, other_user, revoked_query, anonymous, again = queries
    assert again == owner
    assert revoked_query == anonymous
    assert len({owner, other_user, anonymous}) == 3
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


async def test_only_a_plain_handshake_with_one_token_is_accepted(server: GatewayServer) -> None:
    for query in ODD_QUERIES:
        address = f"{server.url.replace('http', 'ws', 1)}/_event/?{query}"
        assert await refused(server.url, address=address) == 403, query
    assert server.app.scopes == []


async def test_only_the_event_path_is_a_socket(server: GatewayServer) -> None:
    for path in ("/", "/ws", "/_event2/", "/api/chat", "/_event/x/"):
        address = handshake_url(server.url, TOKEN).replace("/_event/", path)
        assert await refused(server.url, address=address) == 403, path
    assert server.app.scopes == []


async def test_an_unknown_host_opens_no_socket(server: GatewayServer) -> None:
    address = handshake_url(server.url, TOKEN).replace("localhost", "127.0.0.1")
    assert await refused(server.url, address=address) == 403


async def test_a_failed_session_lookup_opens_no_socket(server: GatewayServer) -> None:
    server.sessions.broken = DatabaseBusy()
    assert await refused(server.url, cookie="chat_session=x") == 403
    assert server.app.scopes == []


async def test_a_revocation_closes_every_socket_and_nothing_is_sent_after(
    server: GatewayServer,
) -> None:
    token, session_id = server.sessions.issue()
    kept_token, _ = server.sessions.issue()
    async with contextlib.AsyncExitStack() as stack:
        doomed = [await opened(stack, server.url, cookie=server.cookie(token)) for _ in range(50)]
        kept = await opened(stack, server.url, cookie=server.cookie(kept_token))
        anonymous = await opened(stack, server.url)
        assert server.gateway.connections.count(session_id) == 50
        senders = [send for _, send in server.app.sockets]

        server.sessions.revoke(session_id)
        for send in senders:
            await send({"type": "websocket.send", "text": "4after"})

        assert {await attacker.closed_code() for attacker in doomed} == {4401}
        assert all("4after" not in attacker.frames for attacker in doomed)
        for _ in doomed:
            await server.finished.get()
        assert await kept.receive() == "4after"
        assert await anonymous.receive() == "4after"
        assert server.gateway.connections.count(session_id) == 0
        assert len(server.gateway.connections) == 2
        assert server.app.disconnected == 50


async def test_a_session_revoked_during_the_handshake_is_anonymous(
    server: GatewayServer,
) -> None:
    token, session_id = server.sessions.issue()
    server.sessions.after_reading = lambda: server.sessions.revoke(session_id)
    async with contextlib.AsyncExitStack() as stack:
        await opened(stack, server.url, cookie=server.cookie(token))
        headers, _ = shown(server)[0]
        assert "authorization" not in headers
        assert server.gateway.connections.credential_ids() == frozenset()


async def test_an_expired_session_is_noticed_when_it_expires(
    server: GatewayServer,
) -> None:
    # long enough to be opened on a busy machine
    token, _ = server.sessions.issue(lasts=timedelta(seconds=5))
    async with contextlib.AsyncExitStack() as stack:
        attacker = await opened(stack, server.url, cookie=server.cookie(token))
        async with asyncio.timeout(30):
            assert await attacker.closed_code() == 4401


async def test_an_unpublished_revocation_is_found_at_the_next_revalidation(open_server) -> None:
    async with open_server(timeouts=GatewayTimeouts(revalidate=0.02)) as server:
        token, session_id = server.sessions.issue()
        async with contextlib.AsyncExitStack() as stack:
            attacker = await opened(stack, server.url, cookie=server.cookie(token))
            server.sessions.revoke(session_id, publish=False)
            assert await attacker.closed_code() == 4401


async def test_repeated_failed_revalidation_ends_only_signed_in_sockets(open_server) -> None:
    async with open_server(timeouts=GatewayTimeouts(revalidate=0.02)) as server:
        token, _ = server.sessions.issue()
        async with contextlib.AsyncExitStack() as stack:
            attacker = await opened(stack, server.url, cookie=server.cookie(token))
            anonymous = await opened(stack, server.url)
            server.sessions.broken = DatabaseBusy()
            assert await attacker.closed_code() == 4401
            await anonymous.send_raw("still")
            assert await anonymous.receive() == "4still"


async def test_a_failed_revalidation_is_retried(open_server) -> None:
    async with open_server(timeouts=GatewayTimeouts(revalidate=0.02)) as server:
        token, session_id = server.sessions.issue()
        async with contextlib.AsyncExitStack() as stack:
            attacker = await opened(stack, server.url, cookie=server.cookie(token))
            server.sessions.revoke(session_id, publish=False)
            server.sessions.broken_once = DatabaseBusy()
            assert await attacker.closed_code() == 4401
            assert server.sessions.broken_once is None


async def test_a_signal_about_something_else_ends_nothing(server: GatewayServer) -> None:
    token, session_id = server.sessions.issue()
    async with contextlib.AsyncExitStack() as stack:
        attacker = await opened(stack, server.url, cookie=server.cookie(token))
        server.services.bus.publish(CREDENTIALS, Signal("thread", credential_id=session_id))
        server.services.bus.publish(CREDENTIALS, Signal("session_ended", credential_id=uuid4()))
        await attacker.send_raw("still")
        assert await attacker.receive() == "4still"


async def test_a_flood_closes_only_the_flooding_socket(open_server) -> None:
    async with (
        open_server(socket_events_per_second=0.001, socket_event_burst=10) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        token, _ = server.sessions.issue()
        flooding = await opened(stack, server.url, cookie=server.cookie(token))
        quiet = await opened(stack, server.url, cookie=server.cookie(token))
        for number in range(11):
            await flooding.send_raw(f"{number}")
        assert await flooding.closed_code() == 4429
        assert len(server.app.received) == 10
        await quiet.send_raw("still")
        assert await quiet.receive() == "4still"


FRAMES_TOO_BIG = ("x" * 8_001, "é" * 4_001, b"x" * 8_001, "x" * 3_000_000)


async def test_a_frame_over_the_limit_closes_the_socket(open_server) -> None:
    async with open_server(socket_frame_bytes=8_000, message_bytes=1_000) as server:
        for frame in FRAMES_TOO_BIG:
            async with contextlib.AsyncExitStack() as stack:
                attacker = await opened(stack, server.url)
                await attacker.send_raw(frame)
                assert await attacker.closed_code() == 1009
        assert server.app.received == []


async def test_a_frame_at_the_limit_passes(open_server) -> None:
    async with (
        open_server(socket_frame_bytes=8_000, message_bytes=1_000) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        attacker = await opened(stack, server.url)
        for frame in ("x" * 8_000, "é" * 4_000):
            await attacker.send_raw(frame)
            assert await attacker.receive() == "4" + frame


async def test_a_socket_over_the_limit_is_closed_with_a_code(open_server) -> None:
    async with (
        open_server(sockets_per_session=2, sockets_per_address=1) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        token, _ = server.sessions.issue()
        other, _ = server.sessions.issue()
        first = await opened(stack, server.url, cookie=server.cookie(token))
        await opened(stack, server.url, cookie=server.cookie(token))
        await opened(stack, server.url)
        for cookie in (server.cookie(token), None):
            async with connect(server.url, cookie=cookie, subprotocols=("0.10.1",)) as extra:
                assert await extra.closed_code() == 4429
                assert extra.frames == []
            await server.finished.get()
        assert server.gateway.connections.refused["sockets"] == 2
        await opened(stack, server.url, cookie=server.cookie(other))
        await first.socket.close()
        await server.finished.get()
        await opened(stack, server.url, cookie=server.cookie(token))


async def test_a_closed_socket_is_unregistered(server: GatewayServer) -> None:
    for _ in range(3):
        async with contextlib.AsyncExitStack() as stack:
            await opened(stack, server.url)
            assert len(server.gateway.connections) == 1
        await server.finished.get()
        assert len(server.gateway.connections) == 0
    assert server.app.disconnected == 3


async def flood(send: Send) -> None:
    """Send more than any buffer on the way holds."""
    for _ in range(100):
        await send({"type": "websocket.send", "text": "4" + "x" * 1_000_000})


async def test_a_client_that_does_not_read_slows_the_app_until_its_session_ends(
    open_server,
) -> None:
    async with (
        open_server(timeouts=GatewayTimeouts(close=0.05)) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        token, session_id = server.sessions.issue()
        attacker = await opened(stack, server.url, cookie=server.cookie(token))
        transport = attacker.socket.transport
        transport.pause_reading()  # pyright: ignore[reportAttributeAccessIssue]
        writing = asyncio.create_task(flood(server.app.sockets[0][1]))
        _, held_back = await asyncio.wait({writing}, timeout=0.5)
        assert held_back
        server.sessions.revoke(session_id)
        await writing
        await server.finished.get()
        assert len(server.gateway.connections) == 0
        assert server.app.disconnected == 1
        transport.abort()  # the client has no other way to notice soon


async def test_a_client_that_never_reads_is_closed(open_server) -> None:
    timeouts = GatewayTimeouts(check=0.02, unread=0.1, close=0.05)
    async with open_server(timeouts=timeouts) as server, contextlib.AsyncExitStack() as stack:
        attacker = await opened(stack, server.url)
        transport = attacker.socket.transport
        transport.pause_reading()  # pyright: ignore[reportAttributeAccessIssue]
        await flood(server.app.sockets[0][1])
        await server.finished.get()
        assert len(server.gateway.connections) == 0
        assert server.app.disconnected == 1
        transport.abort()  # the client has no other way to notice soon


async def stop(gateway: Gateway) -> None:
    """Send an app the messages of a server that starts and stops."""
    messages = iter(("lifespan.startup", "lifespan.shutdown"))

    async def receive() -> Message:
        return {"type": next(messages)}

    async def send(message: Message) -> None:
        assert message["type"].endswith(".complete")

    await gateway({"type": "lifespan"}, receive, send)


async def test_a_stopping_server_closes_its_sockets(server: GatewayServer) -> None:
    async with contextlib.AsyncExitStack() as stack:
        attacker = await opened(stack, server.url)
        await stop(server.gateway)
        assert await attacker.closed_code() == 1001
        await server.finished.get()
        assert server.app.disconnected == 1
