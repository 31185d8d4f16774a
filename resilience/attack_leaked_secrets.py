"""Leaked secrets in logs, responses and rows; log injection."""

import io
import json
import sqlite3
import zipfile
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import httpx

from chat_app.states.chat import ChatState
from resilience.attacker import (
    Caller,
    event_frame,
    load_page,
    log_errors,
    page_event,
    question,
    with_own_program,
)
from resilience.report import Result
from testing.fake_provider import refused, serve
from testing.program import Program
from testing.socket_client import connect

SEND = f"{ChatState.get_full_name()}.send"


async def canaries() -> Result:
    """A whole session with a failing model server; then look for its secrets everywhere."""
    secrets = {name: f"{name}-canary-{uuid4().hex}" for name in ("auth", "key", "password")}
    said = f"words-canary-{uuid4().hex}"
    # A server that repeats the key in its refusal, as some do.
    answer = refused(401, {"error": {"message": f"wrong key {secrets['key']}"}})
    async with serve(answer) as provider:
        given = {
            "AUTH_SECRET": secrets["auth"],
            "OPENAI_API_KEY": secrets["key"],
            "OPENAI_BASE_URL": provider.url,
            "CHAT_MODELS": "tiny",
            "CHAT_MODEL": "tiny",
            "LOG_LEVEL": "debug",
        }

        async def attacked(program: Program) -> Result:
            return await _whole_session(program, secrets, said)

        return await with_own_program(attacked, **given)()


async def _whole_session(program: Program, secrets: dict[str, str], said: str) -> Result:
    ada = await Caller(program).sign_up(secrets["password"])
    secrets["token"] = next(v for k, v in ada.http.cookies.items() if "session" in k)
    told = await _with_an_api_key(program, ada, secrets)
    asked = await ada.http.post("/api/chat", json={"messages": [question(said)]})
    thread = asked.headers["x-thread-id"]
    told += [asked.text, (await ada.http.get(f"/api/threads/{thread}/messages")).text]
    async with connect(program.url, cookie=ada.cookie, origin=program.url) as socket:
        await load_page(socket, thread)
        for frame in (
            event_frame(page_event(thread, SEND, client_id="c-1", thread=thread, text=said)),
            event_frame(
                page_event(thread, SEND, client_id=secrets["password"], thread=thread, text=7)
            ),
            event_frame(page_event(thread, said)),
            f"42/_event,[{said}",
            said,
        ):
            await socket.send_raw(frame)
        await socket.until(lambda frame: '"error"' in json.dumps(frame))
        told.append(json.dumps(socket.frames))
    for path in (f"/{said}", f"/api/{said}", f"/c/{said}?{said}"):
        told.append((await ada.http.get(path)).text.replace(said, ""))
    told.append((await ada.sign_in(f"wrong {secrets['password']}")).text)
    told.append((await ada.http.post("/api/auth/signup", data={"email": said})).text)
    told.append((await ada.http.post("/api/chat", content=said)).text)
    told.append((await ada.http.post("/api/auth/signout")).text)
    folder = program.log.parent / "data"
    stored = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    found = [f"{name} stored" for name, secret in secrets.items() if secret.encode() in stored]
    found += [f"{name} told" for name, secret in secrets.items() if secret in "".join(told)]
    found += [
        f"{name} in the dump"
        for name, secret in secrets.items()
        if secret in _dump(folder / "chat.db")
    ]
    found += [
        f"log: {line}" for line in log_errors(program.log.read_text(), said, *secrets.values())
    ]
    tried = len(secrets) * 4 + 1
    figures = "; ".join(found)[:300] or "0 in the log, answers, frames, files and dump"
    return Result("canaries", tried, len(found), figures)


async def _with_an_api_key(program: Program, ada: Caller, secrets: dict[str, str]) -> list[str]:
    """What a program with an API key is told, right and wrong, and what the export has."""
    new = {"name": "Script", "scopes": ["chat", "threads:read"]}
    made = (await ada.http.post("/api/account/api-keys", json=new)).raise_for_status()
    key = secrets["API key"] = made.json()["key"]
    told = [(await ada.http.get("/api/account/api-keys")).text]
    async with httpx.AsyncClient(verify=False, base_url=program.url, timeout=30) as script:
        for given in (key, f"{key}x", f"{key} {key}", key[:-1]):
            for headers in ({"Authorization": f"Bearer {given}"}, {"x-api-key": given}):
                for path in ("/api/threads", "/api/models", "/api/auth/session", "/", "/api/none"):
                    told.append((await script.get(path, headers=headers)).text)
        both = {"Authorization": f"Bearer {key}", "x-api-key": key}
        told.append((await script.get("/api/threads", headers=both)).text)
    exported = (await ada.http.get("/api/account/export")).raise_for_status()
    with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
        told += [archive.read(name).decode() for name in archive.namelist()]
    return told


def _dump(path: Path) -> str:
    """Every row, that of a virtual table as the tables below it have it."""
    tables = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
    )
    with sqlite3.connect(path) as database:
        return "\n".join(
            str(row)
            for (name,) in database.execute(tables).fetchall()
            for row in database.execute(f'SELECT * FROM "{name}"')
        )


async def log_injection(program: Program, tries: int = 50) -> Result:
    """Line ends and terminal codes in whatever a client can send.

    Args:
        program: The program.
        tries: How many inputs.
    """
    ada = await Caller(program).sign_up()
    mark = f"forged{uuid4().hex}"
    evil = (
        f"\r\n2026-01-01 00:00:00,000 ERROR {mark}\x1b[31m\x1b]0;{mark}\x07\u2028{mark}\x85{mark}"
    )
    header = evil.replace("\r\n", "\t").encode("utf-8")
    sent = 0
    async with connect(program.url, cookie=ada.cookie, origin=program.url) as socket:
        await load_page(socket)
        while sent < tries:
            ways = (
                ada.http.get(f"/{quote(evil)}"),
                ada.http.get("/api/threads", params={"search": evil, "after": evil}),
                ada.http.get("/signin", headers=[(b"User-Agent", header), (b"X-Any", header)]),
                ada.http.get("/api/threads", headers=[(b"Cookie", b"chat_session=" + header)]),
                ada.http.post("/api/chat", json={"messages": [question(evil)], "model": evil}),
                ada.http.post("/api/threads", json={"title": evil, evil: 1}),
                ada.http.post("/api/chat", content=evil),
                ada.sign_in(evil, evil),
                ada.http.post("/api/auth/signup", data={"email": evil, "name": evil}),
                socket.send_event(evil, {evil: evil}),
                socket.send_event(SEND, {"text": evil, "thread": evil, "client_id": evil}),
                socket.send_raw("42/" + evil + ",[]"),
            )
            for way in ways:
                sent += 1
                try:
                    await way
                except (httpx.InvalidURL, httpx.LocalProtocolError):
                    sent -= 1
    log = program.log.read_bytes()
    lines = log_errors(log.decode(errors="replace"), mark)
    codes = log.count(b"\x1b")
    figures = "; ".join(lines)[:300] or f"{codes} terminal codes, 0 forged lines"
    return Result("log injection", sent, len(lines) + codes, figures)
