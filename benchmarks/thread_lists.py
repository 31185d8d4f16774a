"""Thread list and search of an account with many threads, over HTTP on one connection."""

import http.client
import json
import statistics
import time
from urllib.parse import quote, urlsplit

from benchmarks.environment import MANY_MESSAGES, MANY_THREADS, MESSAGES_OF_EACH, Environment
from benchmarks.report import Row, row

_TIMES = 60
_PAGES = 100


def measure(env: Environment) -> list[Row]:
    """The rows of this part."""
    ours, bare = _line(env.url), _line(env.proxy)
    header = {"Cookie": env.collector.header}
    path, hundredth = "/api/threads?limit=50", ""
    for number in range(1, _PAGES + 1):
        hundredth = path
        path = f"/api/threads?limit=50&after={quote(_ask(ours, path, header)['nextCursor'])}"
        assert number == _PAGES or path
    first = _times(ours, "/api/threads?limit=50", header)
    last = _times(ours, hundredth, header)
    search = _times(ours, "/api/threads?limit=50&search=tomatoes", header)
    rare = _times(ours, "/api/search?q=" + quote('"balcony, part 7"'), header)
    common = _times(ours, "/api/search?q=tomatoes", header)
    everywhere = _times(ours, "/api/search?q=the", header)
    floor = statistics.median(_times(bare, "/ping", {}))
    many = f"{MANY_THREADS:,} threads"
    texts = f"{MANY_THREADS * MESSAGES_OF_EACH + MANY_MESSAGES:,} messages"
    return [
        row(f"list of {many}, page 1", first, "ms", budget=4, beyond=2, yardstick=floor),
        row(f"list of {many}, page 100", last, "ms", budget=4, beyond=2, yardstick=floor),
        row(
            "page 100 / page 1",
            statistics.median(last) / statistics.median(first),
            budget=1.15,
            remark="equal, but for what a clock can tell",
        ),
        row(f"text search, {texts}, a phrase", rare, "ms", budget=10, yardstick=floor),
        row(f"text search, {texts}, a common word", common, "ms", budget=10, yardstick=floor),
        row(f"text search, {texts}, a word in most", everywhere, "ms", budget=10, yardstick=floor),
        row(f"search in {many}", search, "ms", budget=15, beyond=5, yardstick=floor),
    ]


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
