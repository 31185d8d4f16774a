"""Fuzzing of the socket: malformed frames, while another user keeps working."""

import asyncio
import json
from collections import Counter
from random import Random
from typing import Any
from uuid import uuid4

from websockets.exceptions import ConnectionClosed

from chat_app.settings import read_settings
from chat_app.states.policy import PolicyRow, table
from resilience.attack_handler_fuzz import good
from resilience.attacker import (
    HYDRATE,
    WORDS,
    Caller,
    event_frame,
    load_page,
    log_errors,
    page_event,
    signed_up,
)
from resilience.fuzz_values import nested, payload
from resilience.report import Result
from testing.program import Program
from testing.socket_client import connect

PER_SOCKET = 40
"""Below the burst that a tab may send, so that it is the parser that is tried."""
TOO_FAST = "4429"
PATIENCE_SECONDS = 0.5


def hostile(random: Random, canary: str, thread: str, rows: dict[str, PolicyRow]) -> str | bytes:
    """One frame: malformed, unknown, another user's, or just odd."""
    name = random.choice(sorted(rows))
    mine = good(thread, str(uuid4()), "0" * 8)
    arguments = {key: mine[key] for key in rows[name].arguments if key in mine}
    whole = _told(page_event(thread, name, **arguments))
    router: Any = random.choice((None, [], canary, {"query": [canary]}, {"pathname": nested(200)}))
    odd = (
        # An event whose arguments are junk, or that no handler takes
        lambda: _told(page_event(thread, name) | {"payload": payload(random, arguments)}),
        lambda: _told(page_event(thread, canary)),
        lambda: _told(page_event(thread, name) | {"router_data": router}),
        lambda: _told(random.choice(([canary], canary, None, 7, {}, {"name": 1}, nested(300)))),
        lambda: event_frame(
            {"name": name, "payload": {}, "token": canary, "substate_name": canary}
        ),
        lambda: '42/_event,["event",{"name":"' + name + '","payload":{"text":NaN,"x":1e999}}]',
        lambda: '42/_event,["event",{"name":"' + name + '","payload":{"have":' + "9" * 5000 + "}}]",
        lambda: '42/_event,["event",{"name":"\\ud800' + canary + '","payload":{"\\udfff":1}}]',
        # Socket.IO's own names, and Reflex's methods
        lambda: _named(
            random.choice(
                (
                    "connect",
                    "disconnect",
                    "connect_error",
                    "link_token_to_sid",
                    "emit_update",
                    "on_event",
                    "trigger_event",
                    "__init__",
                    "*",
                    "",
                    canary,
                )
            ),
            canary,
        ),
        lambda: '42/_event,["client_error",' + json.dumps(canary) + "]",
        lambda: f'42/_event,[{random.choice((7, "null", "{}", "[]"))},"{canary}"]',
        # Truncated and bent packets
        lambda: whole[: random.randrange(len(whole))],
        lambda: _bent(random, whole),
        lambda: whole + canary,
        lambda: random.choice("456") + whole[1:],
        lambda: f"4{random.randrange(10)}/_event,{random.choice(('', '7', '-', '[', canary))}",
        lambda: f"4{'9' * random.choice((3, 400))}",
        lambda: f"43/_event,{10**50}[]",
        lambda: (
            f"45{random.choice(('1', '9' * 30, '-1'))}-/_event,"
            + json.dumps(["event", {"_placeholder": True, "num": 0, "x": canary}])
        ),
        lambda: f"46/_event,[{canary}",
        # Other name spaces, huge ones too
        lambda: f"40/{canary},",
        lambda: "40/" + "n" * random.choice((10, 60_000)) + ",{}",
        lambda: "42/" + "n" * random.choice((10, 60_000)) + f',["event","{canary}"]',
        lambda: "40/_event," + json.dumps({"token": canary, "event": page_event(thread, canary)}),
        lambda: "40/_event,[[",
        # Engine.IO packets out of turn, and bytes
        lambda: random.choice(
            ("0{}", "2probe", "5", "6", "3", "9", "", "b" + canary, "bAAAA", "\0")
        ),
        lambda: random.choice(
            (b"", b"\0" * 9, b"\xff\xfe4" + canary.encode(), random.randbytes(99))
        ),
    )
    return random.choice(odd)()


def _told(event: Any) -> str:
    try:
        return event_frame(event)
    except TypeError:  # bytes among the junk
        return event_frame(str(event))


def _named(name: str, canary: str) -> str:
    environ = {"QUERY_STRING": f"token={canary}", "asgi.scope": {}}
    return "42/_event," + json.dumps([name, environ, {"event": page_event("", HYDRATE)}])


def _bent(random: Random, frame: str) -> str:
    at = random.randrange(len(frame))
    return (
        frame[:at]
        + chr(random.choice((0, 34, 44, 91, 123, 0x7F, 0x2028, 0x1F4A9)))
        + frame[at + 1 :]
    )


async def frame_fuzz(program: Program, tries: int = 2_000, seed: int = 1) -> Result:
    """Junk frames on as many sockets as the limits make necessary.

    Args:
        program: The program.
        tries: How many frames.
        seed: Where chance begins.
    """
    ada, eve = await signed_up(program), await signed_up(program)
    thread = await ada.ask(WORDS)
    before, random, rows = (
        await ada.everything(),
        Random(seed),
        table(read_settings().socket_frame_bytes),
    )
    canary = f"canary{uuid4().hex}"
    sent, leaks, closed = 0, 0, Counter[str]()
    while sent < tries:
        cookie = random.choice((eve.cookie, eve.cookie, None))
        async with connect(program.url, cookie=cookie, origin=program.url) as socket:
            await load_page(socket)
            try:
                for _ in range(min(PER_SOCKET, tries - sent)):
                    sent += 1
                    await socket.send_raw(hostile(random, canary, thread, rows))
                await socket.send_raw('42/_event,["ping"]')
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await socket.until(lambda frame: isinstance(frame, list) and frame[0] == "ping")
                closed["still answering"] += 1
            except ConnectionClosed:
                closed[str(socket.socket.close_code)] += 1
            except TimeoutError:  # one of the frames left the name space, as a client may
                closed["left"] += 1
            told = json.dumps(socket.frames)
            leaks += WORDS in told or ada.email in told
    lines = log_errors(program.log.read_text(), canary, WORDS)
    wrong = {
        "leaks": leaks,
        "floods": closed[TOO_FAST],
        "changes of another user's data": int(await ada.everything() != before),
        "log lines": len(lines),
        "deaf afterwards": int(not await _answers(program, ada, thread)),
    }
    ends = dict(sorted(closed.items()))
    said = ", ".join(f"{count} {name}" for name, count in wrong.items())
    first = f"; {lines[0]}" if lines else ""
    return Result("frame fuzz", sent, sum(wrong.values()), f"{said}; sockets: {ends}{first}")


async def _answers(program: Program, who: Caller, thread: str) -> bool:
    async with connect(program.url, cookie=who.cookie, origin=program.url) as socket:
        async with asyncio.timeout(20):
            return WORDS in await load_page(socket, thread)
