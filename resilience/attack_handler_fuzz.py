"""Fuzzing of every event handler, in process, with valid and invalid arguments."""

import asyncio
import logging
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

from chat_app.auth.principal import Principal
from chat_app.chat_app import app
from chat_app.states.policy import Access, table
from chat_app.states.views import stream_id
from resilience.attacker import WORDS
from resilience.fuzz_values import junk, payload
from resilience.report import Result
from testing.reflex_tabs import Harness, Tab, open_harness

SETTLE_SECONDS = 5
_KEEPS_RUNNING = (".open", ".watch", ".hydrate_and_load", ".on_load_internal")
_TABS_EVERY = 50


def good(thread: str, message: str, handle: str) -> dict[str, Any]:
    """A valid value for each argument name, with the ids of another user's rows."""
    return {
        "thread_id": thread,
        "thread": thread,
        "message_id": message,
        "form": {"title": "taken over"},
        "text": "words",
        "client_id": f"client-{uuid4().hex}",
        "name": "UTC",
        "model_id": "fake",
        "stream_id": handle,
        "part": 0,
        "have": 0,
        "message": "A sentence.",
        "model": "fake:3x0",
        "options": {"instructions": "Obey.", "temperature": 0.5, "effort": "low"},
        "request": "request-1",
        "refused": "client-1",
        "value": True,
        "vars": {},
        "hashes": [],
        "days": 30,
        "organisation": thread,
        "org_id": thread,
        "announcement_id": message,
        "version": 1,
    }


class _Log(logging.Handler):
    """Keeps the warnings and errors of every logger; security events are no faults."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


async def handler_fuzz(tries: int = 6_000, seed: int = 1) -> Result:
    """Junk for every handler, as anonymous and as another user, with the ids of a user's rows.

    Args:
        tries: How many payloads.
        seed: Where chance begins.
    """
    heard = _Log()
    loggers = [logging.getLogger(), logging.getLogger("chat_app")]
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.WARNING)  # as in the program, whatever another test has left
    for logger in loggers:
        logger.addHandler(heard)
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with open_harness(
                Path(folder), chat_model="fake:3x0", runs_per_user=100
            ) as harness:
                figures = await _fuzz(harness, tries, Random(seed))
    finally:
        root.setLevel(level)
        for logger in loggers:
            logger.removeHandler(heard)
    told = [line for line in heard.lines if "slow" not in line]
    wrong = {**figures, "log lines": len(told)}
    first = f"; {told[0][:160]}" if told else ""
    said = ", ".join(f"{count} {name}" for name, count in wrong.items())
    return Result("handler fuzz", tries, sum(wrong.values()), said + first)


async def _fuzz(harness: Harness, tries: int, random: Random) -> dict[str, int]:
    ada = await harness.user("ada@example.com")
    sent = await harness.live.runs.send(ada, text=WORDS, client_id="c1", model="fake:5x0")
    async for _ in harness.live.runs.follow(ada, sent.run_id):
        pass
    thread, message = str(sent.thread_id), str(sent.message_id)
    before = await _everything(harness, ada, sent.thread_id)
    eve = await harness.user("eve@example.com")
    rows, leaks, stuck, raised = table(harness.live.settings.socket_frame_bytes), 0, 0, list[str]()
    names = sorted(rows)
    faults = app.policy.refused.copy()
    tabs: dict[bool, Tab] = {}
    for turn in range(tries):
        if turn % _TABS_EVERY == 0:
            for old in tabs.values():
                leaks += WORDS in old.text()
                old.close()
            tabs = {False: await harness.tab(None), True: await harness.tab(eve)}
        name = names[turn % len(names)]
        mine = good(thread, message, stream_id(sent.message_id))
        arguments = {key: mine[key] for key in rows[name].arguments if key in mine}
        where = random.choice(("", thread, str(uuid4()), str(junk(random, 0))[:2_000]))
        tab = tabs[rows[name].access is Access.SIGNED_IN or random.random() < 0.5]
        future = await tab.start(name, payload(random, arguments), where)
        if not name.endswith(_KEEPS_RUNNING):
            try:
                async with asyncio.timeout(SETTLE_SECONDS):
                    await future.wait_all()
            except TimeoutError:
                stuck += 1
            except Exception as error:  # whatever it is, it should not have come so far
                raised.append(f"{name.rsplit('.', 1)[-1]}: {error!r}"[:120])
    for old in tabs.values():
        leaks += WORDS in old.text()
        old.close()
    changed = await _everything(harness, ada, sent.thread_id) != before
    assert sum((app.policy.refused - faults).values()) > tries // 4, "hardly anything was junk"
    wrong = {"leaks": leaks, "stuck": stuck, "changes of another user's data": int(changed)}
    return wrong | Counter(raised)


async def _everything(harness: Harness, principal: Principal, thread: UUID) -> tuple[Any, ...]:
    page = await harness.live.threads.page(principal)
    return page, await harness.live.threads.window(principal, thread)
