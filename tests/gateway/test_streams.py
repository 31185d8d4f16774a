"""An event stream reaches its reader at once, and ends with its session."""

import asyncio

from starlette.types import Receive, Scope, Send

from testing.gateway_server import House, Inner


class Streaming:
    """Answers with an event stream whose pieces the test lets go one by one."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.cancelled = asyncio.Event()
        self.started = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        self.started.set()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while piece := await self.pieces.get():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


async def test_a_piece_arrives_before_the_next_is_written(open_house) -> None:
    stream = Streaming()
    async with open_house(inner=Inner(respond=stream)) as house:
        token, _ = house.sessions.issue()
        who = {"Cookie": house.cookie(token)}
        async with house.client.stream("GET", "/api/chat/1/stream", headers=who) as answer:
            assert answer.headers["cache-control"] == "no-store, no-transform"
            assert answer.headers["x-accel-buffering"] == "no"
            assert "content-length" not in answer.headers
            pieces = answer.aiter_raw()
            for text in (b"data: 1\n\n", b"data: 2\n\n"):
                await stream.pieces.put(text)
                assert await anext(pieces) == text
            await stream.pieces.put(b"")
            assert [piece async for piece in pieces if piece] == []
        await house.left.get()
        assert len(house.guard.live) == 0


async def test_a_revoked_session_stops_its_stream_and_no_other(open_house) -> None:
    stream = Streaming()
    async with open_house(inner=Inner(respond=stream)) as house:
        token, session_id = house.sessions.issue()
        who = {"Cookie": house.cookie(token)}
        async with house.client.stream("GET", "/api/chat/1/stream", headers=who) as answer:
            _, other = house.sessions.issue()
            house.sessions.revoke(other)
            await stream.pieces.put(b"data: 1\n\n")
            pieces = answer.aiter_raw()
            assert await anext(pieces) == b"data: 1\n\n"
            assert house.guard.live.of_session(session_id) == 1
            house.sessions.revoke(session_id)
            await stream.pieces.put(b"data: secret\n\n")
            assert b"".join([piece async for piece in pieces]) == b""
        await stream.cancelled.wait()
        await house.left.get()
        assert len(house.guard.live) == 0


async def test_a_session_that_ends_while_it_is_looked_up_opens_no_stream(open_house) -> None:
    async with open_house(inner=Inner(respond=Streaming())) as house:
        token, session_id = house.sessions.issue()
        house.sessions.after_reading = lambda: house.sessions.revoke(session_id)
        answer = await house.client.get("/api/x", headers={"Cookie": house.cookie(token)})
        assert answer.status_code == 401
        assert house.inner.scopes == []


async def test_a_session_that_ends_before_the_first_byte_is_answered_401(open_house) -> None:
    stream = Streaming()

    async def revoking(scope: Scope, receive: Receive, send: Send) -> None:
        house.sessions.revoke(scope["principal"].session_id)
        await stream(scope, receive, send)

    async with open_house(inner=Inner(respond=revoking)) as house:
        token, _ = house.sessions.issue()
        answer = await house.client.get("/api/x", headers={"Cookie": house.cookie(token)})
        assert answer.status_code == 401
        assert stream.cancelled.is_set()


async def test_the_answer_to_signing_out_still_arrives(house: House) -> None:
    async def sign_out(scope: Scope, receive: Receive, send: Send) -> None:
        house.sessions.revoke(scope["principal"].session_id)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"bye"})

    house.inner.respond = sign_out
    token, _ = house.sessions.issue()
    who = {"Cookie": house.cookie(token), "Origin": house.url}
    for path in ("/api/auth/signout", "/api/sessions/1"):
        token, _ = house.sessions.issue()
        who = {"Cookie": house.cookie(token), "Origin": house.url}
        assert (await house.client.post(path, headers=who)).text == "bye"
