"""Thread list and search of an account with many threads, over HTTP on one connection.

On SQLite with everything else in it, and on PostgreSQL, which is started for this.
"""

import asyncio
import http.client
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

from benchmarks.environment import (
    MANY_MESSAGES,
    MANY_THREADS,
    MESSAGES_OF_EACH,
    Environment,
    add_collector,
    cpu,
)
from benchmarks.report import Row, row
from testing.postgres import PostgresServer
from testing.program import Program

_TIMES = 60
_PAGES = 100
_TEXTS = f"{MANY_THREADS * MESSAGES_OF_EACH + MANY_MESSAGES:,} messages"


def measure(env: Environment) -> list[Row]:
    """The rows of this part."""
    floor = statistics.median(_times(_line(env.proxy), "/ping", {}))
    rows = _measure("SQLite", env.url, env.pid, env.collector.header, floor)
    with _on_postgres() as (program, cookie):
        rows += _measure("PostgreSQL", program.url, program.pid, cookie, floor)
    return rows


@contextmanager
def _on_postgres() -> Iterator[tuple[Program, str]]:
    """The program on PostgreSQL, and the cookie of a user with very many threads."""
    server = PostgresServer(autovacuum="on", autovacuum_naptime="1s")  # as on a real server
    try:
        server.start()
        with (
            tempfile.TemporaryDirectory() as folder,
            server.new_database() as database,
        ):
            path = Path(folder)
            (path / "data").mkdir()
            urls = {
                name: str(value) for name, value in database.settings.items() if name != "data_dir"
            }
            collector = asyncio.run(add_collector(data_dir=path / "data", **urls))
            server.execute("VACUUM ANALYZE", database.name)
            given = {"EMBEDDED_MODEL": "false", "FAKE_MODELS": "true", "CHAT_MODEL": "fake"}
            given |= {name.upper(): url for name, url in urls.items()}
            program = Program(path, given=given)
            try:
                program.start()
                yield program, collector.header
            finally:
                program.end()
    finally:
        server.stop()


def _measure(name: str, url: str, pid: int, cookie: str, floor: float) -> list[Row]:
    line, header = _line(url), {"Cookie": cookie}
    path, hundredth = "/api/threads?limit=50", ""
    for number in range(1, _PAGES + 1):
        hundredth = path
        path = f"/api/threads?limit=50&after={quote(_ask(line, path, header)['nextCursor'])}"
        assert number == _PAGES or path
    first = _times(line, "/api/threads?limit=50", header)
    last = _times(line, hundredth, header)
    titles = _times(line, "/api/threads?limit=50&search=tomatoes", header)
    many = f"{MANY_THREADS:,} threads"
    rows = [
        row(f"{name}: list of {many}, page 1", first, "ms", budget=4, beyond=2, yardstick=floor),
        row(f"{name}: list of {many}, page 100", last, "ms", budget=4, beyond=2, yardstick=floor),
        row(
            f"{name}: page 100 / page 1",
            statistics.median(last) / statistics.median(first),
            budget=1.15,
            remark="equal, but for what a clock can tell",
        ),
        row(f"{name}: search in {many}", titles, "ms", budget=15, beyond=5, yardstick=floor),
    ]
    for what, query in _QUERIES.items():
        asked = f"/api/search?q={quote(query)}"
        before = cpu(pid)
        found = _times(line, asked, header)
        used = (cpu(pid) - before) * 1000 / _TIMES
        metric = f"{name}: text search, {_TEXTS}, {what}"
        remark = f"CPU of the server {used:.1f} ms, shortest {min(found):.1f} ms"
        rows.append(row(metric, found, "ms", budget=10, yardstick=floor, remark=remark))
    return rows


_QUERIES = {
    "a phrase": '"balcony, part 7"',
    "a common word": "tomatoes",
    "a word in most": "the",
    "a common phrase": '"in three parts"',
    "no hit": "tomatoes zeppelin",
}


def _line(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(url).hostname or "", urlsplit(url).port)


def _ask(line: http.client.HTTPConnection, path: str, headers: dict[str, str]):
    line.request("GET", path, headers=headers)
    answer = line.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    return json.loads(body)


def _times(line: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> list[float]:
    found = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        _ask(line, path, headers)
        found.append((time.perf_counter() - began) * 1000)
    return found
