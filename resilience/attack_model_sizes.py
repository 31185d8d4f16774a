"""A provider that sends more than it was asked for: endless answers and endless errors."""

import asyncio
import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from resilience.attacker import question, signed_up
from resilience.bystander import Bystander
from resilience.load import resident
from resilience.program import log_errors, running_program, temporary_folder
from resilience.report import Result
from testing.fake_provider import STREAM_HEAD, Request, event, serve, text
from testing.program import ROOT

PIECE = "A provider that does not stop. " * 300
ANSWER_BYTES = 1_000_000
MAX_ERROR_BYTES = 8_000_000
"""What the buffers on the way to the program may hold; it reads a fraction of that."""
MAX_GROWTH_MB = 100.0
MODELS = ("text", "thinking", "error", "gzip")


@dataclass
class Flood:
    """Sends without an end, by the name of the model, until the client has gone.

    Attributes:
        sent: How many bytes were sent for each model.
        gone: How long after its request each client was gone, in seconds.
    """

    sent: dict[str, list[int]] = field(default_factory=dict)
    gone: list[float] = field(default_factory=list)

    async def answer(self, request: Request) -> None:
        """Answer one request."""
        model, began, sent = request.body["model"], time.monotonic(), 0
        head, piece = _pieces(model)
        with suppress(ConnectionError):
            await request.send(head)
            while True:
                await request.send(piece)
                sent += len(piece)
        self.sent.setdefault(model, []).append(sent)
        self.gone.append(time.monotonic() - began)


def _pieces(model: str) -> tuple[bytes, bytes]:
    match model:
        case "text":
            return STREAM_HEAD, text(PIECE)
        case "thinking":
            return STREAM_HEAD, event({"choices": [{"delta": {"reasoning_content": PIECE}}]})
        case "gzip":
            head = b"HTTP/1.1 500 No\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n"
            return head, b"\x00" * 65_536
        case _:
            head = b"HTTP/1.1 400 No\r\nconnection: close\r\n\r\n"
            return head, PIECE.encode() * 7


async def oversized_answers(rounds: int = 5, timed: bool = True) -> Result:
    """Answers and errors without an end, four at a time, while another user works."""
    # The provider and who asks it are a process of their own, which costs the bystander nothing.
    attacker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "resilience.attack_model_sizes", str(rounds)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert attacker.stdout is not None
    url = (await attacker.stdout.readline()).decode().strip()
    # each question is one connection
    given = {"OPENAI_BASE_URL": url, "CHAT_MODELS": ",".join(MODELS), "CHAT_RETRIES": "0"}
    with temporary_folder() as at:
        async with running_program(at, given) as program:
            eve, bystander = await signed_up(program), Bystander(await signed_up(program))
            await bystander.rest()
            before = resident(program.pid)
            given_to_it = f"{program.url}\n{eve.cookie}".encode()
            telling = asyncio.create_task(attacker.communicate(given_to_it))
            await bystander.beside(telling)
            growth = resident(program.pid) - before
            told = json.loads((await telling)[0])
            wrong: list[str] = told["wrong"] + log_errors(program)
    if told["error_bytes"] > rounds * MAX_ERROR_BYTES:
        wrong.append(f"{told['error_bytes'] / 1e6:.0f} MB of errors were taken")
    if growth > MAX_GROWTH_MB:
        wrong.append(f"memory {growth:+.0f} MB")
    if len(told["gone"]) != rounds * len(MODELS):
        wrong.append(f"{len(told['gone'])} connections were closed")
    if bystander.is_slow(timed):
        wrong.append("others are slow")
    figures = (
        f"answers end at {ANSWER_BYTES / 1e6:.0f} MB, each connection within "
        f"{max(told['gone'], default=0):.1f} s; memory {growth:+.0f} MB; {bystander.figures}"
    )
    return Result(
        "oversized answers", rounds * len(MODELS), len(wrong), "; ".join([figures, *wrong[:3]])
    )


async def _attack(rounds: int) -> None:
    """Serve the provider, print its URL, read the program's and a cookie, ask, print the facts."""
    flood, wrong = Flood(), list[str]()
    async with serve(flood.answer) as provider:
        print(provider.url, flush=True)
        origin, cookie = (await asyncio.to_thread(sys.stdin.read)).splitlines()
        headers = {"Origin": origin, "Cookie": cookie}
        async with httpx.AsyncClient(base_url=origin, headers=headers, timeout=60) as http:
            await _ask_all(http, rounds, wrong)
    error_bytes = max(sum(flood.sent.get(model, []), 0) for model in ("error", "gzip"))
    print(json.dumps({"wrong": wrong, "gone": flood.gone, "error_bytes": error_bytes}))


async def _ask_all(http: httpx.AsyncClient, rounds: int, wrong: list[str]) -> None:
    for _ in range(rounds):
        said = await asyncio.gather(*(_ask(http, model) for model in MODELS))
        wrong += [f"{model}: {what}" for model, what in zip(MODELS, said, strict=True) if what]


async def _ask(http: httpx.AsyncClient, model: str) -> str:
    """What is wrong with the stored answer of a model."""
    body = {"messages": [question("go on")], "model": model}
    thread = (await http.post("/api/chat", json=body)).headers["x-thread-id"]
    messages = (await http.get(f"/api/threads/{thread}/messages")).json()["messages"]
    answer = messages[-1]
    size = sum(len(part.get("text", "")) for part in answer["parts"])
    reason = answer["metadata"].get("finishReason")
    if model in ("error", "gzip"):
        return "" if (answer["status"], size) == ("failed", 0) else f"{answer['status']}, {size}"
    status = "complete" if model == "text" else "failed"
    if (answer["status"], reason) != (status, "size"):
        return f"{answer['status']}, {reason}"
    return "" if ANSWER_BYTES * 0.99 < size <= ANSWER_BYTES else f"{size} bytes"


if __name__ == "__main__":
    asyncio.run(_attack(int(sys.argv[1])))
