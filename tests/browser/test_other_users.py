"""What another user can reach over the socket and over HTTP, without our page."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from chat_app.states.chat import ChatState
from testing.browser_user import PASSWORD
from testing.program import Program
from testing.socket_client import connect

HYDRATE = "reflex___state____state.hydrate_and_load"
WORDS = "kept between us"


class HttpCaller:
    """A user who speaks HTTP without a browser."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(verify=False, base_url=url, headers={"Origin": url}, timeout=30)

    def sign_up(self) -> "HttpCaller":
        email = f"caller-{uuid4().hex}@example.com"
        form = {"email": email, "password": PASSWORD, "name": "Caller"}
        answer = self.http.post("/api/auth/signup", data=form)
        assert answer.status_code == 303
        assert "error" not in answer.headers["location"]
        return self

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())

    def ask(self, text: str) -> str:
        """Ask over HTTP and read the whole answer; the thread's id."""
        body = {"messages": [message(text)], "model": "fake:10x0"}
        with self.http.stream("POST", "/api/chat", json=body) as answer:
            assert answer.status_code == 200
            answer.read()
            return answer.headers["x-thread-id"]


def message(text: str) -> dict[str, Any]:
    return {"id": uuid4().hex, "role": "user", "parts": [{"type": "text", "text": text}]}


@pytest.fixture
def ada(program: Program) -> Iterator[HttpCaller]:
    caller = HttpCaller(program.url).sign_up()
    yield caller
    caller.http.close()


@pytest.fixture
def eve(program: Program) -> Iterator[HttpCaller]:
    caller = HttpCaller(program.url).sign_up()
    yield caller
    caller.http.close()


async def load(program: Program, token: str, cookie: str | None, thread: str) -> str:
    """Open the owner's page over a raw socket; everything that comes until it is loaded."""
    event = {
        "name": HYDRATE,
        "payload": {},
        "router_data": {
            "pathname": f"/c/{thread}",
            "asPath": f"/c/{thread}",
            "query": {"thread": thread},
        },
    }
    async with connect(program.url, token=token, cookie=cookie, origin=program.url) as socket:
        await socket.boot(event)
        if not any(done(frame) for frame in socket.frames):
            await socket.until(done)
        return json.dumps(socket.frames)


def done(frame: object) -> bool:
    return '"is_hydrated_rx_state_": true' in json.dumps(frame)


async def test_a_client_token_opens_nothing_without_its_session(
    program: Program, ada: HttpCaller, eve: HttpCaller
) -> None:
    thread, token = ada.ask(WORDS), str(uuid4())
    own = await load(program, token, ada.cookie, thread)
    assert WORDS in own
    stolen = ada.cookie
    for cookie in (eve.cookie, None, "chat_session=forged"):
        seen = await load(program, token, cookie, thread)
        assert WORDS not in seen
        assert "deterministic" not in seen
    assert ada.http.post("/api/auth/signout").status_code == 303
    seen = await load(program, token, stolen, thread)
    assert WORDS not in seen


@pytest.mark.parametrize(
    "origin",
    [None, "null", "http://evil.example", "http://localhost.evil.example", "http://127.0.0.1"],
)
async def test_a_foreign_origin_is_refused(
    program: Program, ada: HttpCaller, origin: str | None
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(program.url, token=str(uuid4()), cookie=ada.cookie, origin=origin):
            pass
    assert refused.value.response.status_code == 403
    headers = {"Origin": origin} if origin else {}
    answer = await asyncio.to_thread(
        httpx.post,
        f"{program.url}/api/threads",
        verify=False,
        json={},
        headers={**headers, "Cookie": ada.cookie},
    )
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert ada.http.get("/api/threads").json() == []


async def test_a_client_cannot_choose_its_state_with_socket_io_s_own_names(
    program: Program, ada: HttpCaller, eve: HttpCaller
) -> None:
    thread = ada.ask(WORDS)
    own = await load(program, str(uuid4()), ada.cookie, thread)
    keys = re.findall(r'"client_token": "([0-9a-f-]{36})"', own)
    assert WORDS in own
    assert keys
    hydrate = {"name": HYDRATE, "payload": {}, "router_data": {"pathname": "/"}}
    async with connect(
        program.url, token=str(uuid4()), cookie=eve.cookie, origin=program.url
    ) as socket:
        await socket.boot(hydrate)
        environ = {"QUERY_STRING": f"token={keys[0]}", "asgi.scope": {}}
        for name in ("connect", "disconnect", "link_token_to_sid"):
            frame = json.dumps([name, environ, {"event": hydrate}])
            await socket.send_raw(f"42/_event,{frame}")
        await socket.send_event(HYDRATE)
        await socket.until(done)
        seen = json.dumps(socket.frames)
        assert WORDS not in seen
        assert thread not in seen


async def test_garbage_neither_ends_the_socket_nor_reaches_the_log(
    program: Program, ada: HttpCaller
) -> None:
    canary = f"canary{uuid4().hex}"
    send = f"{ChatState.get_full_name()}.send"
    frames = [
        f'42/_event,["event",{{"name":"{canary}","payload":{{}}}}]',
        f'42/_event,["event",{{"name":"{send}","payload":{{"text":7,"x":"{canary}"}}}}]',
        f'42/_event,["event",["{canary}"]]',
        f'42/_event,["event","{canary}"]',
        f'42/_event,["{canary}"]',
        f"42/_event,[{canary}",
        f"42/{canary},[]",
        f"45/_event,1-{canary}",
        f"47{canary}",
        "42/_event,[]",
        "42/_event,{}",
        "4",
    ]
    async with connect(
        program.url, token=str(uuid4()), cookie=ada.cookie, origin=program.url
    ) as socket:
        await socket.boot({"name": HYDRATE, "payload": {}, "router_data": {"pathname": "/"}})
        for frame in frames:
            await socket.send_raw(frame)
        await socket.send_raw('42/_event,["ping"]')
        await socket.until(lambda frame: isinstance(frame, list) and frame[0] == "ping")
    said = program.log.read_text()
    assert canary not in said
    assert "Traceback" not in said


def test_curl_streams_with_a_cookie_and_is_refused_without(
    program: Program, ada: HttpCaller
) -> None:
    curl = shutil.which("curl")
    assert curl is not None
    body = json.dumps({"messages": [message(WORDS)], "model": "fake:12x0"})
    command = [curl, "-sS", "-N", "-w", "%{http_code}", "-H", f"Origin: {program.url}"]
    command += ["-H", "Content-Type: application/json", "-d", body, f"{program.url}/api/chat"]
    without = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert without.endswith("401")
    command[1:1] = ["-b", ada.cookie]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    events = [line[6:] for line in told.splitlines() if line.startswith("data: ")]
    kinds = [json.loads(event)["type"] for event in events if event != "[DONE]"]
    assert kinds[0] == "start"
    assert "text-delta" in kinds
    assert kinds[-1] == "finish"
    assert events[-1] == "[DONE]"
    listed = subprocess.run(
        [curl, "-sS", "-b", ada.cookie, f"{program.url}/api/threads"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert [thread["title"] for thread in json.loads(listed)] == [WORDS]
