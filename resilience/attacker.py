"""HTTP users and the program that the attacks are aimed at."""

import json
import re
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus

from resilience.report import Result
from testing.browser_user import PASSWORD
from testing.program import Program, running
from testing.socket_client import SocketClient

HYDRATE = "reflex___state____state.hydrate_and_load"
SETTLED = "reflex___state____state.set_is_hydrated"
WORDS = "kept between us"
ANSWER = "deterministic"
"""A word of every answer of the fake model."""
GIVEN = {
    "FAKE_MODELS": "true",
    "EMBEDDED_MODEL": "false",
    "CHAT_MODEL": "fake:20x0",
    "LIMIT_SIGN_UP_ADDRESS": "1000/hour",
}
_BAD = re.compile(r"Traceback|unexpected|Error\b|Exception")

Attack = Callable[[Program], Awaitable[Result]]


def with_own_program(attack: Attack, **given: str) -> Callable[[], Awaitable[Result]]:
    """An attack as a scenario: with a program of its own.

    Args:
        attack: What is done to the program.
        given: Settings besides the usual ones.
    """

    async def scenario() -> Result:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            with running(path, given=GIVEN | given) as program:
                return await attack(program)

    return scenario


class Caller:
    """A user over HTTP.

    Args:
        program: Whom they call.
        headers: Headers besides the Origin.
    """

    def __init__(self, program: Program, **headers: str) -> None:
        self.program = program
        self.email = f"caller-{uuid4().hex}@example.com"
        asked = {"Origin": program.url, "X-Auth-Return-Redirect": "1", **headers}
        self.http = httpx.AsyncClient(verify=False, base_url=program.url, headers=asked, timeout=60)

    @property
    def cookie(self) -> str:
        """The Cookie header that a browser would send now."""
        return "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())

    async def sign_up(self, password: str = PASSWORD) -> "Caller":
        """Create an account."""
        form = {"email": self.email, "password": password, "name": "Caller"}
        answer = await self.http.post("/api/auth/signup", data=form)
        assert "error" not in answer.json()["url"], answer.text
        return self

    async def sign_in(self, password: str = PASSWORD, email: str = "") -> httpx.Response:
        """Try to sign in."""
        form = {"email": email or self.email, "password": password}
        return await self.http.post("/api/auth/callback/credentials", data=form)

    async def ask(self, text: str, model: str = "fake:10x0", thread: str = "") -> str:
        """Ask and read the whole answer; the thread's id."""
        body = {"messages": [question(text)], "model": model, **({"id": thread} if thread else {})}
        answer = await self.http.post("/api/chat", json=body)
        assert answer.status_code == 200, answer.text
        return answer.headers["x-thread-id"]

    async def everything(self) -> list[Any]:
        """All that they have, to compare before and after."""
        threads = (await self.http.get("/api/threads", params={"limit": 50})).json()["threads"]
        return [
            (thread, (await self.http.get(f"/api/threads/{thread['id']}/messages")).json())
            for thread in threads
        ]


def question(text: str) -> dict[str, Any]:
    """A message as `POST /api/chat` takes it."""
    return {"id": uuid4().hex, "role": "user", "parts": [{"type": "text", "text": text}]}


async def signed_up(program: Program, **headers: str) -> Caller:
    """A new user, signed in."""
    return await Caller(program, **headers).sign_up()


def page_event(thread: str = "", name: str = HYDRATE, /, **payload: Any) -> dict[str, Any]:
    """An event as the page at a thread's address sends it."""
    path = f"/c/{thread}" if thread else "/"
    query = {"thread": thread} if thread else {}
    router = {"pathname": path, "asPath": path, "query": query}
    return {"name": name, "payload": payload, "router_data": router}


def event_frame(event: Any) -> str:
    """An event as one WebSocket frame."""
    return f"42/_event,{json.dumps(['event', event])}"


def is_loaded(frame: object) -> bool:
    """Whether a frame says that the page is loaded."""
    return '"is_hydrated_rx_state_": true' in json.dumps(frame)


async def load_page(socket: SocketClient, thread: str = "") -> str:
    """Open a page over a socket; everything that came until it was loaded."""
    await socket.boot(page_event(thread))
    if not any(map(is_loaded, socket.frames)):
        await socket.until(is_loaded)
    return json.dumps(socket.frames)


def log_errors(log: str, *canaries: str) -> list[str]:
    """The lines of a log that tell of an exception, or hold what a log may not."""
    return [
        line[:200]
        for line in log.splitlines()
        if _BAD.search(line) or any(canary in line for canary in canaries)
    ]


@contextmanager
def counted(codes: Counter[str]) -> Iterator[None]:
    """Count how a socket was refused: by its close code, else by the kind of error."""
    try:
        yield
    except ConnectionClosed as closed:
        codes[str(closed.rcvd.code if closed.rcvd else "")] += 1
    except (OSError, InvalidStatus) as error:
        codes[type(error).__name__] += 1
