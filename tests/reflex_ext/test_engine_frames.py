"""A frame that is not even a packet of Engine.IO is dropped before Engine.IO raises at it."""

from collections import Counter

import pytest
from socketio import AsyncServer

from chat_app.reflex_ext.event_namespace import harden_server

JUNK = ["", "\0", "b", "9", "x4", "bAAAA", b"", b"4bytes", "0{}", "2probe", "5", "6"]


@pytest.mark.parametrize("junk", JUNK)
async def test_a_frame_that_is_no_packet_never_reaches_engine_io(junk: str | bytes) -> None:
    server, dropped = AsyncServer(async_mode="asgi"), Counter[str]()
    harden_server(server, dropped)
    frames = [junk, '42/_event,["ping"]']

    async def receive() -> dict[str, object]:
        frame = frames.pop(0)
        kind = "text" if isinstance(frame, str) else "bytes"
        return {"type": "websocket.receive", kind: frame}

    socket = server.eio._async["websocket"](None, server.eio)
    socket.asgi_receive = receive
    assert await socket.wait() == '42/_event,["ping"]'
    assert dropped == {"frame": 1}
