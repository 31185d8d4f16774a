"""The baseline: the least that can carry an answer from a model server to a reader.

Starlette on Granian, as the program is, in one process; no page, no person, nothing stored.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator

import httpx2
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


def _app(upstream: str) -> Starlette:
    http = httpx2.AsyncClient(timeout=None, limits=httpx2.Limits(max_connections=None))

    async def chat(request: Request) -> Response:
        body = {**await request.json(), "model": "paced", "stream": True}

        async def events() -> AsyncIterator[bytes]:
            async with http.stream("POST", f"{upstream}/chat/completions", json=body) as answer:
                async for line in answer.aiter_lines():
                    if not line.startswith("data: {"):
                        continue
                    choices = json.loads(line[6:])["choices"]
                    if choices and (text := choices[0]["delta"].get("content")):
                        yield f"data: {json.dumps(text)}\n\n".encode()
            yield b"data: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    async def nothing(_: Request) -> Response:
        return JSONResponse({})

    return Starlette(routes=[Route("/chat", chat, methods=["POST"]), Route("/ping", nothing)])


async def _main(upstream: str, port: int) -> None:
    server = Server(
        _app(upstream),
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGI,
        backlog=1024,
        backpressure=10_000,
        log_level=LogLevels.error,
    )
    await server.serve()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
