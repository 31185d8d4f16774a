"""What the audit log costs a sign-in, and how long it takes to check a long one; on SQLite.

A session is issued as a sign-in does it, with the row of the audit log and without, one after the
other, so that both meet the same machine.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from unittest.mock import patch

from benchmarks.report import Row, row
from chat_app import audit
from chat_app.audit.verify import verify
from chat_app.db import migrations
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import User
from chat_app.services import Services
from chat_app.settings import read_settings
from testing.auth_services import issue_session

_TIMES = 300
_ROWS = 10_000


def measure(folder: Path) -> list[Row]:
    """The rows of this part.

    Args:
        folder: Where the data may lie.
    """
    settings = read_settings(data_dir=folder, database_url="")
    migrations.upgrade(settings)
    return asyncio.run(_measure(Services(settings)))


async def _measure(services: Services) -> list[Row]:
    async with services.db.system("auth", write=True) as session:
        session.add(user := User(email="bench@example.com"))

    async def sign_in() -> None:
        await issue_session(services, user.id, client_ip="::1")

    async def skip(*_: object, **__: object) -> None: ...

    # full, so that each sign-in also ends a session, and so writes two rows
    for _ in range(services.settings.sessions_per_user):
        await sign_in()
    costs, plain = list[float](), list[float]()
    for _ in range(_TIMES):
        costs.append(await _timed(sign_in))
        with patch.object(audit, "append", skip):
            plain.append(await _timed(sign_in))
    await services.sealer.step()
    seals = list[float]()
    for _ in range(_TIMES // 10):
        await sign_in()
        seals.append(await _timed(services.sealer.step))
    added = statistics.median(costs) - statistics.median(plain)
    await _fill(services)
    times = [await _timed(lambda: verify(services.db, services.keyring)) for _ in range(5)]
    found = await verify(services.db, services.keyring)
    assert not found.count
    await services.stop()
    return [
        row(
            "audit log: what its rows add to a sign-in",
            added,
            "ms",
            budget=1,
            remark=f"{statistics.median(plain):.1f} ms without; two rows",
        ),
        row("audit log: sealing them afterwards", seals, "ms", remark="in the background"),
        row(
            f"audit log: checking {_ROWS:,} rows",
            [each / 1000 * _ROWS / found.rows for each in times],
            "s",
            budget=2,
            beyond=1,
        ),
    ]


async def _fill(services: Services) -> None:
    async def add(session: SystemSession, count: int) -> None:
        for _ in range(count):
            await audit.append(session, "organisation_changed", actor="system")

    for _ in range(_ROWS // 1_000):
        async with services.db.system("audit", write=True) as session:
            await add(session, 1_000)
        await services.sealer.step()


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    """How many milliseconds it takes."""
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1000
