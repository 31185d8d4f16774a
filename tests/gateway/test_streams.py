"""Event streams: not buffered, and ended with their session."""

from starlette.types import Receive, Scope, Send

from testing.gateway_server import GatewayServer, RecordingApp, Streaming


async def test_a_chunk_arrives_before_the_next_is_written(open_server) -> None:
    stream = Streaming()
    async with open_server(app=RecordingApp(respond=stream)) as server:
        token, _ = server.sessions.issue()
        who = {"Cookie": server.cookie(token)}
        async with server.client.stream("GET", "/api/chat/1/stream", headers=who) as response:
            assert response.headers["cache-control"] == "no-store, no-transform"
            assert response.headers["x-accel-buffering"] == "no"
            assert "content-length" not in response.headers
            pieces = response.aiter_raw()
            for text in (b"data: 1\n\n", b"data: 2\n\n"):
                await stream.pieces.put(text)
                assert await anext(pieces) == text
            await stream.pieces.put(b"")
            assert [piece async for piece in pieces if piece] == []
        await server.finished.get()
        assert len(server.gateway.connections) == 0


async def test_a_revoked_session_stops_its_stream_and_no_other(open_server) -> None:
    stream = Streaming()
    async with open_server(app=RecordingApp(respond=stream)) as server:
        token, session_id = server.sessions.issue()
        who = {"Cookie": server.cookie(token)}
        async with server.client.stream("GET", "/api/chat/1/stream", headers=who) as response:
            _, other = server.sessions.issue()
            server.sessions.revoke(other)
            await stream.pieces.put(b"data: 1\n\n")
            pieces = response.aiter_raw()
            assert await anext(pieces) == b"data: 1\n\n"
            assert server.gateway.connections.count(session_id) == 1
            server.sessions.revoke(session_id)
            await stream.pieces.put(b"data: secret\n\n")
            assert b"".join([piece async for piece in pieces]) == b""
        await stream.cancelled.wait()
        await server.finished.get()
        assert len(server.gateway.connections) == 0


async def test_a_session_revoked_while_it_is_resolved_opens_no_stream(open_server) -> None:
    async with open_server(app=RecordingApp(respond=Streaming())) as server:
        token, session_id = server.sessions.issue()
        server.sessions.after_reading = lambda: server.sessions.revoke(session_id)
        response = await server.client.get("/api/x", headers={"Cookie": server.cookie(token)})
        assert response.status_code == 401
        assert server.app.scopes == []


async def test_a_session_revoked_before_the_first_byte_is_401(open_server) -> None:
    stream = Streaming()

    async def revoking(scope: Scope, receive: Receive, send: Send) -> None:
        server.sessions.revoke(scope["principal"].credential_id)
        await stream(scope, receive, send)

    async with open_server(app=RecordingApp(respond=revoking)) as server:
        token, _ = server.sessions.issue()
        response = await server.client.get("/api/x", headers={"Cookie": server.cookie(token)})
        assert response.status_code == 401
        assert stream.cancelled.is_set()


async def test_the_response_to_a_sign_out_still_arrives(server: GatewayServer) -> None:
    async def sign_out(scope: Scope, receive: Receive, send: Send) -> None:
        server.sessions.revoke(scope["principal"].credential_id)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"bye"})

    server.app.respond = sign_out
    token, _ = server.sessions.issue()
    who = {"Cookie": server.cookie(token), "Origin": server.url}
    for path in ("/api/auth/signout", "/api/sessions/1"):
        token, _ = server.sessions.issue()
        who = {"Cookie": server.cookie(token), "Origin": server.url}
        assert (await server.client.post(path, headers=who)).text == "bye"
