"""The environment of the benchmarks: model server, two proxies, and the program with users.

Linux only: what a process used is read from `/proc`.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.model_server import Ask
from chat_app.auth.principal import Principal
from chat_app.db.migrations import upgrade
from chat_app.db.tables import User
from chat_app.gateway import cookies
from chat_app.seed import seed_messages, seed_threads
from chat_app.services import Services
from chat_app.settings import read_settings
from testing.auth_services import issue_session
from testing.program import ROOT, Program, free_port

MODEL = "paced"
CROWD = 250
MANY_THREADS = 10_000
MANY_MESSAGES = 1_000
MESSAGES_OF_EACH = 4
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class BenchmarkUser:
    """A user with a session.

    Args:
        cookie: Name and value of the session cookie.
        thread: An empty thread of theirs.
        key: An API key of theirs.
    """

    cookie: tuple[str, str]
    thread: str
    key: str

    @property
    def header(self) -> str:
        return "=".join(self.cookie)


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything that runs.

    Args:
        url: The program's.
        proxy: The bare proxy's.
        least: The least proxy's.
        upstream: The model server's.
        pid: The program's process.
        proxy_pid: The bare proxy's.
        least_pid: The least proxy's.
        crowd: People with nothing but an empty thread.
        ada: A user with a long thread besides.
        long: That thread.
        collector: A user with very many threads.
    """

    url: str
    proxy: str
    least: str
    upstream: str
    pid: int
    proxy_pid: int
    least_pid: int
    crowd: list[BenchmarkUser]
    ada: BenchmarkUser
    long: str
    collector: BenchmarkUser

    async def sent(self, ask: Ask) -> tuple[list[float], float]:
        """When each marker of an answer and its last token were sent."""
        return await asyncio.to_thread(self._sent, ask)

    def _sent(self, ask: Ask) -> tuple[list[float], float]:
        with urllib.request.urlopen(f"{self.upstream}/sent/{ask.name}") as answer:
            told = json.load(answer)
        return told["marks"], told["last"]

    async def until_sent(self, ask: Ask) -> tuple[list[float], float]:
        """The same, once all of it was sent."""
        while True:
            marks, last = await self.sent(ask)
            if last:
                return marks, last
            await asyncio.sleep(0.2)


@contextmanager
def open_environment(folder: Path) -> Iterator[Environment]:
    """Put everything up in a folder, and take it down."""
    upstream, proxy, least = free_port(), free_port(), free_port()
    model, bare = f"http://127.0.0.1:{upstream}", f"http://127.0.0.1:{proxy}"
    given = {
        "OPENAI_BASE_URL": f"{model}/v1",
        "OPENAI_API_KEY": "none",
        "CHAT_MODELS": MODEL,
        "CHAT_MAX_TOKENS": "10000",
        "EMBEDDED_MODEL": "false",
    }
    program = Program(folder, given=given)
    (folder / "data").mkdir()
    crowd, ada, long, collector = asyncio.run(_people(folder / "data"))
    modules = (
        ("model_server", str(upstream)),
        ("bare_proxy", f"{model}/v1", str(proxy)),
        ("least_proxy", f"{model}/v1", str(least)),
    )
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name, *arguments in modules:
            command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
            running.append(subprocess.Popen(command, cwd=ROOT))
        program.start()
        yield Environment(
            url=program.url,
            proxy=bare,
            least=f"http://127.0.0.1:{least}",
            upstream=model,
            pid=program.pid,
            proxy_pid=running[1].pid,
            least_pid=running[2].pid,
            crowd=crowd,
            ada=ada,
            long=long,
            collector=collector,
        )
    finally:
        program.end()
        for process in running:
            process.kill()
            process.wait()


async def add_collector(**given: Any) -> BenchmarkUser:
    """Add a user with very many threads to a database, and with a session.

    Args:
        given: The settings of the database.
    """
    settings = read_settings(embedded_model=False, **given)
    await asyncio.to_thread(upgrade, settings)
    live = Services(settings)
    user = User(email="collector@example.com")
    async with live.db.system("auth", write=True) as session:
        session.add(user)
    principal, collector = await _join(live, user.id)
    await _collect(live, principal)
    await live.stop()
    return collector


async def _join(live: Services, user_id: UUID) -> tuple[Principal, BenchmarkUser]:
    issued = await issue_session(live, user_id, user_agent="bench")
    principal = Principal(user_id, issued.session_id)
    thread = await live.threads.create(principal)
    name = cookies.full_name(live.settings, cookies.SESSION)
    made = await live.api_keys.create(principal, name="", scopes=["chat"], days=7)
    return principal, BenchmarkUser((name, issued.token), str(thread.id), made.token)


async def _collect(live: Services, principal: Principal) -> None:
    await seed_threads(live.db, principal, MANY_THREADS, messages=MESSAGES_OF_EACH)
    await seed_messages(live.db, principal, MANY_MESSAGES)


async def _people(data: Path) -> tuple[list[BenchmarkUser], BenchmarkUser, str, BenchmarkUser]:
    settings = read_settings(data_dir=data, embedded_model=False)
    await asyncio.to_thread(upgrade, settings)
    live = Services(settings)

    users = [User(email=f"member-{number}@example.com") for number in range(CROWD + 2)]
    ids = [user.id for user in users]
    async with live.db.system("auth", write=True) as session:
        session.add_all(users)
    ada, ada_member = await _join(live, ids[0])
    long = await seed_messages(live.db, ada, MANY_MESSAGES)
    collector, collector_member = await _join(live, ids[1])
    await _collect(live, collector)
    crowd = [(await _join(live, user_id))[1] for user_id in ids[2:]]
    await live.stop()
    return crowd, ada_member, str(long), collector_member


def cpu(pid: int) -> float:
    """The processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident(pid: int) -> float:
    """The memory of a process and of all it has started, in megabytes."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,rss="], capture_output=True, text=True, check=True
    )
    rows = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    family, size = {pid}, 0
    while size != len(family):
        size = len(family)
        family |= {child for child, parent, _ in rows if parent in family}
    return sum(kilobytes for process, _, kilobytes in rows if process in family) / 1000


def fresh(length: int, pace: int) -> Ask:
    """A question that was never asked."""
    return Ask(length, pace, f"{time.time_ns():x}")
