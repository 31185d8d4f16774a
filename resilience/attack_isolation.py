"""Isolation: another user's rows look like missing rows, on every route and handler."""

import asyncio
import contextlib
import json
import re
import tempfile
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any, Protocol, get_args
from uuid import uuid4

import httpx

from chat_app.auth.principal import Scope
from chat_app.db.migrations import upgrade
from chat_app.settings import read_settings
from chat_app.states.policy import Access, table
from resilience.attack_handler_fuzz import good
from resilience.attacker import (
    SETTLED,
    WORDS,
    Caller,
    event_frame,
    is_loaded,
    load_page,
    page_event,
    signed_up,
)
from resilience.report import Result
from testing.database import DatabaseUnderTest, SqliteDatabase
from testing.http_user import LIST
from testing.isolation_machine import run_isolation_machine
from testing.membership_machine import run_membership_machine
from testing.postgres import PostgresServer
from testing.program import Program
from testing.reading_machine import run_reading_machine
from testing.route_cases import CASES, NAMING
from testing.socket_client import connect

_EXAMPLES, _STEPS = 300, 30


class Machine(Protocol):
    """Runs a state machine on a database; see `testing/isolation_machine.py`."""

    def __call__(self, database: DatabaseUnderTest, *, examples: int, steps: int) -> int:
        """How many times everything was compared."""
        ...


_OF_THE_HOP = ("date", "connection", "x-request-id")
_TOLD = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


async def foreign_routes(program: Program) -> Result:
    """Every route of a thread with six kinds of id as four kinds of people, byte for byte."""
    ada, eve, gone = [await signed_up(program) for _ in range(3)]
    hers = await ada.ask(WORDS)
    message = (await ada.everything())[0][1]["messages"][-1]["id"]
    # whose email is not verified is told that before an invitation is looked for
    verified = "UPDATE user SET email_verified_at = created_at WHERE email = ?"
    program.behind_its_back(verified, eve.email)
    mine = await eve.ask("my own")
    deleted = await eve.ask("my own, deleted")
    await eve.http.delete(f"/api/threads/{deleted}")
    cookies = {
        "other user": eve.cookie,
        "signed out": gone.cookie,
        "forger": "chat_session=x",
        "": "",
    }
    wanted = {"name": "", "scopes": list(get_args(Scope)), "expiresInDays": 7}
    made = await eve.http.post("/api/account/api-keys", json=wanted)
    key = {"x-api-key": made.json()["key"]}
    await gone.http.post("/api/auth/signout")
    before = await ada.everything()
    ids = (hers, str(uuid4()), deleted, "not.an.id", hers.upper(), message)
    wrong: list[str] = []
    tried = 0
    for who, cookie in cookies.items():
        async with _as(program, cookie) as http:
            for method, path in NAMING:
                takes_cookie = path.startswith("/api/") or who != "other user"
                more = {} if takes_cookie else key
                answers = [await _call(http, method, path, one, more) for one in ids]
                tried += len(answers)
                seen = {(a.status_code, a.content, str(_headers(a))) for a in answers}
                status = CASES[method, path].missing if who == "other user" else 401
                if len(seen) > 1 or answers[0].status_code != status:
                    wrong.append(f"{who} {method} {path}")
    async with _as(program, eve.cookie) as http:
        for other in (message, hers):
            pairs = zip(_within(mine, other), _within(mine, str(uuid4())), strict=True)
            for (method, path, body), (_, missing, no_body) in pairs:
                tried += 1
                one = await http.request(method, path, json=body)
                two = await http.request(method, missing, json=no_body)
                if one.content != two.content or one.status_code != two.status_code:
                    wrong.append(f"{method} {path.split('?')[0]} with a foreign id inside")
    changed = await ada.everything() != before
    return Result(
        "foreign routes",
        tried + 1,
        len(wrong) + changed,
        "; ".join(wrong)[:300] or "foreign = missing to the byte, headers too",
    )


def _as(program: Program, cookie: str) -> httpx.AsyncClient:
    headers = {"Origin": program.url, "X-Auth-Return-Redirect": "1"}
    headers |= {"Cookie": cookie} if cookie else {}
    return httpx.AsyncClient(verify=False, base_url=program.url, headers=headers, timeout=30)


async def _call(
    http: httpx.AsyncClient, method: str, path: str, thread: str, headers: dict[str, str]
) -> httpx.Response:
    every = defaultdict[str, str](lambda: thread)
    method, path, wanted = CASES[method, path].request(method, path, every)
    return await http.request(method, path, headers=headers, **wanted)


def _headers(answer: httpx.Response) -> list[tuple[str, str]]:
    return sorted(
        (name, value) for name, value in answer.headers.items() if name not in _OF_THE_HOP
    )


def _within(thread: str, other: str) -> list[tuple[str, str, Any]]:
    """An own thread, and inside the request something that is not one's own."""
    again = {"id": thread, "messages": [], "trigger": "regenerate-message", "messageId": other}
    return [
        ("GET", f"/api/threads/{thread}/messages?before={other}", None),
        ("POST", "/api/chat", again),
    ]


async def foreign_handlers(program: Program) -> Result:
    """Every handler with another user's ids and with missing ids: the same frames."""
    ada, eve = await signed_up(program), await signed_up(program)
    hers = await ada.ask(WORDS)
    message = (await ada.everything())[0][1]["messages"][-1]["id"]
    before = await ada.everything()
    rows = {
        name: row
        for name, row in table(read_settings().socket_frame_bytes).items()
        if row.access is Access.SIGNED_IN
    }
    wrong: list[str] = []
    for name, row in rows.items():
        told = []
        for thread, inside in ((hers, message), (str(uuid4()), str(uuid4()))):
            mine = good(thread, inside, inside.replace("-", "")[:8])
            mine["client_id"] = "client-1"
            arguments = {key: mine[key] for key in row.arguments}
            told.append(await _frames(program, eve, thread, name, arguments))
        if told[0] != told[1]:
            wrong.append(f"{name.rsplit('.', 2)[-1]}: differs")
        if WORDS in told[0]:
            wrong.append(f"{name.rsplit('.', 2)[-1]}: tells")
    changed = await ada.everything() != before
    return Result(
        "foreign handlers",
        len(rows) * 2 + 1,
        len(wrong) + changed,
        "; ".join(wrong)[:300] or "the same frames for foreign and for missing",
    )


async def _frames(
    program: Program, who: Caller, thread: str, name: str, arguments: dict[str, Any]
) -> str:
    """What a tab at a thread's address is told when it sends an event; ids are left out."""
    async with connect(program.url, cookie=who.cookie, origin=program.url) as socket:
        await load_page(socket, thread)
        if not any(map(_is_missing, socket.frames)):
            await socket.until(_is_missing)
        await socket.send_raw(event_frame(page_event(thread, name, **arguments)))
        for is_last in (False, True):
            await socket.send_raw(event_frame(page_event(thread, SETTLED, value=is_last)))
            await socket.until(is_loaded if is_last else _is_not)
        shown = sorted(json.dumps(_visible(frame)) for frame in socket.frames if not _is_own(frame))
    return _TOLD.sub("ID", "\n".join(dict.fromkeys(shown)))


def _is_not(frame: object) -> bool:
    return '"is_hydrated_rx_state_": false' in json.dumps(frame)


def _is_missing(frame: object) -> bool:
    return '"missing_rx_state_": true' in json.dumps(frame)


def _is_own(frame: Any) -> bool:
    """Whether a frame says only that the user's own list is loaded, which comes at any time."""
    delta = {} if isinstance(frame, str) else frame[1].get("delta", {})
    return [*delta] == [LIST] and [*delta[LIST]] == ["loaded_rx_state_"]


def _visible(frame: Any) -> Any:
    """A frame without the socket's own names and headers."""
    if isinstance(frame, str):
        return frame[:2]
    root = frame[1].get("delta", {}).get("reflex___state____state", {})
    for name in [name for name in root if "router" in name]:
        del root[name]
    return frame


async def isolation_machine() -> Result:
    """300 times 30 random things that four people do, on SQLite and on PostgreSQL."""
    return await _result("isolation machine", run_isolation_machine)


async def membership_machine() -> Result:
    """The same with organisations, invitations, roles and the ends of accounts."""
    return await _result("membership machine", run_membership_machine)


async def reading_machine() -> Result:
    """60 times 12 with grants to read another's chats; fewer, as each step tries every grant."""
    return await _result("reading machine", run_reading_machine, examples=60, steps=12)


async def _result(
    name: str, run: Machine, *, examples: int = _EXAMPLES, steps: int = _STEPS
) -> Result:
    compared = await asyncio.to_thread(_run_machines, run, examples, steps)
    return Result(
        name,
        sum(compared.values()),
        0,
        "; ".join(f"{name}: {count:,} times compared" for name, count in compared.items()),
    )


def _run_machines(run: Machine, examples: int, steps: int) -> dict[str, int]:
    warnings.filterwarnings("ignore", ".*cartesian product")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = SqliteDatabase(folder)
        upgrade(read_settings(_env_file=None, **file.settings))
        server = PostgresServer()
        stack.callback(server.stop)
        server.start()
        databases = {
            "SQLite": file,
            "PostgreSQL": stack.enter_context(server.new_database()),
        }
        return {
            name: run(database, examples=examples, steps=steps)
            for name, database in databases.items()
        }
