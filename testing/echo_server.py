"""A small program for the server to serve: `python -m testing.echo_server PORT [--with-parent]`.

It writes what happens to it on standard output, one line each.
"""

import asyncio
import contextlib
import signal
import sys
import threading

import uvloop
from starlette.types import Receive, Scope, Send

from chat_app.server.server import serve


def say(line: str) -> None:
    print(line, flush=True)


class EchoApp:
    """Echoes on sockets, streams on `/stream`, and hangs where it is told to."""

    def __init__(self) -> None:
        self.readers: set[asyncio.Event] = set()
        self.hangs = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.live(receive, send)
        elif scope["type"] == "websocket":
            await self.talk(receive, send)
        else:
            await self.answer(scope["path"], send)

    async def live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        say(f"ending with {len(self.readers)} readers")
        for reader in self.readers:
            reader.set()
        while self.hangs:  # and does not let itself be cancelled
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        await send({"type": "lifespan.shutdown.complete"})

    async def talk(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    async def answer(self, path: str, send: Send) -> None:
        if path == "/hang":
            self.hangs = True
        if path == "/stall":
            say("standing")
            threading.Event().wait()  # the event loop itself stands still
        head = {"type": "http.response.start", "status": 200, "headers": []}
        if path in ("/stream", "/endless"):
            ended = asyncio.Event()
            self.readers.add(ended)
            await send(head)
            await send({"type": "http.response.body", "body": b"first ", "more_body": True})
            await ended.wait()
            if path == "/endless":
                await asyncio.Event().wait()
            await send({"type": "http.response.body", "body": b"last"})
            return
        await send(head)
        await send({"type": "http.response.body", "body": b"ok"})


if __name__ == "__main__":
    # Under nohup or in the background of a shell these are ignored, and a child inherits that.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    port = int(sys.argv[1])
    serving = serve(
        EchoApp(),
        host="127.0.0.1",
        port=port,
        name=f"localhost:{port}",
        ready=lambda: say("ready"),
        with_parent="--with-parent" in sys.argv,
    )
    uvloop.run(serving)
