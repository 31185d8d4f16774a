"""The least a server can do between a model and a reader: the scale beside our figures."""

import os
from collections.abc import AsyncIterator

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

_client = httpx.AsyncClient(
    base_url=os.environ.get("UPSTREAM", ""),
    trust_env=False,
    timeout=60,
    limits=httpx.Limits(max_connections=None),
)


async def _chat(request: Request) -> StreamingResponse:
    asked = await request.body()

    async def pieces() -> AsyncIterator[bytes]:
        async with _client.stream("POST", "/chat/completions", content=asked) as answer:
            async for piece in answer.aiter_raw():
                yield piece

    return StreamingResponse(pieces(), media_type="text/event-stream")


app = Starlette(routes=[Route("/api/chat", _chat, methods=["POST"])])
