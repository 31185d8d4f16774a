"""A model server in a process of its own: the same answer each time, on the clock.

`POST /v1/chat/completions` answers as OpenAI's does. The question says how: see `Ask`.
`GET /sent/{name}` tells when each marker and the last token of that answer was sent.
"""

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate

from testing.sample_text import MARKER, tokens

_QUESTION = re.compile(r"Say (\d+) tokens, one per (\d+) ms, as ([0-9a-z]+)")
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"connection: close\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Ask:
    """A question that fixes its answer.

    Args:
        length: Tokens.
        pace: Milliseconds from one to the next.
        name: Under which the answer can be looked up afterwards.
    """

    length: int
    pace: int
    name: str

    def __str__(self) -> str:
        return f"Say {self.length} tokens, one per {self.pace} ms, as {self.name}"


@dataclass(slots=True)
class Sent:
    """What was sent of an answer, in seconds since the epoch."""

    marks: dict[int, float] = field(default_factory=dict)
    last: float = 0.0


_answers: dict[str, Sent] = {}


@cache
def _chunks(length: int) -> tuple[list[bytes], list[int]]:
    """The events of an answer, and for each how many markers it and those before it have."""
    said = tokens(length)
    return [_event(text) for text in said], list(
        accumulate(1 if MARKER.search(text) else 0 for text in said)
    )


def _event(text: str) -> bytes:
    chunk = {
        "id": "chatcmpl-0123456789abcdef",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "paced",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
    }
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


_END = (
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\ndata: [DONE]\n\n'
)


async def _answer(writer: asyncio.StreamWriter, ask: Ask) -> None:
    events, markers = _chunks(ask.length)
    sent = _answers[ask.name] = Sent()
    writer.write(_HEAD)
    begin = time.perf_counter()
    for number, event in enumerate(events):
        wait = begin + number * ask.pace / 1000 - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        if markers[number] > len(sent.marks):
            sent.marks[len(sent.marks)] = time.time()
        writer.write(event)
    sent.last = time.time()
    writer.write(_END)
    await writer.drain()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(length[1])) if length else b""
        if head.startswith("POST"):
            question = json.loads(body)["messages"][-1]["content"]
            asked = _QUESTION.search(question)
            assert asked is not None, question
            await _answer(writer, Ask(int(asked[1]), int(asked[2]), asked[3]))
        else:
            sent = _answers.get(head.split(" ")[1].rpartition("/")[2], Sent())
            told = json.dumps({"marks": list(sent.marks.values()), "last": sent.last}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + told)
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def _main(port: int) -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
