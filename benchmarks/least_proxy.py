"""The second yardstick: the cheapest server in Python that carries an answer to a reader.

aiohttp reads the model server, Starlette on uvicorn and uvloop sends on; one process, nothing
stored.
"""

import json
import sys
from collections.abc import AsyncIterator

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


def _app(upstream: str) -> Starlette:
    sessions: list[aiohttp.ClientSession] = []

    def http() -> aiohttp.ClientSession:
        if not sessions:
            sessions.append(
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=0),
                    timeout=aiohttp.ClientTimeout(total=None),
                )
            )
        return sessions[0]

    async def chat(request: Request) -> Response:
        body = {**await request.json(), "model": "paced", "stream": True}

        async def events() -> AsyncIterator[bytes]:
            async with http().post(f"{upstream}/chat/completions", json=body) as answer:
                async for line in answer.content:
                    if not line.startswith(b"data: {"):
                        continue
                    choices = json.loads(line[6:])["choices"]
                    if choices and (text := choices[0]["delta"].get("content")):
                        yield f"data: {json.dumps(text)}\n\n".encode()
            yield b"data: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    async def nothing(_: Request) -> Response:
        return JSONResponse({})

    return Starlette(routes=[Route("/chat", chat, methods=["POST"]), Route("/ping", nothing)])


if __name__ == "__main__":
    uvicorn.run(
        _app(sys.argv[1]),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        backlog=1024,
        access_log=False,
        log_level="error",
    )
