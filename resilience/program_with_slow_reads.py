"""The program with a database that takes its time, as it does on a bad day, and with pages that a
browser keeps for its back button, as some do whatever a page says.

`READ_SECONDS` is what each read waits; with `KEPT_PAGES` a page does not say `no-store`.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from chat_app.cli import main
from chat_app.db.engine import Database
from chat_app.gateway.headers import Headers, SecurityHeaders
from chat_app.gateway.paths import RouteKind
from chat_app.gateway.request_context import RequestContext

_seconds = float(os.environ.get("READ_SECONDS", "0.4"))
_read, _system, _dress = Database.read, Database.system, SecurityHeaders.apply
_CACHING = (b"cache-control", b"etag", b"last-modified", b"vary")
_PAGES = (RouteKind.PAGE, RouteKind.PUBLIC_PAGE)


@asynccontextmanager
async def _later(reading: AbstractAsyncContextManager[Any]) -> AsyncIterator[Any]:
    await asyncio.sleep(_seconds)
    async with reading as session:
        yield session


def _read_later(db: Database, principal: Any) -> AbstractAsyncContextManager[Any]:
    return _later(_read(db, principal))


def _system_later(
    db: Database, reason: str, *, write: bool = False, read_committed: bool = False
) -> AbstractAsyncContextManager[Any]:
    session = _system(db, reason, write=write, read_committed=read_committed)
    return session if write else _later(session)


def _keep(self: SecurityHeaders, context: RequestContext, *answer: Any) -> Headers:
    dressed = _dress(self, context, *answer)
    if context.route not in _PAGES:
        return dressed
    # Not from the cache of files, though: `*` is never what was asked before.
    return [*((name, value) for name, value in dressed if name not in _CACHING), (b"vary", b"*")]


if __name__ == "__main__":
    Database.read = _read_later  # pyright: ignore[reportAttributeAccessIssue]
    Database.system = _system_later  # pyright: ignore[reportAttributeAccessIssue]
    if os.environ.get("KEPT_PAGES"):
        SecurityHeaders.apply = _keep  # pyright: ignore[reportAttributeAccessIssue]
    sys.argv = ["chat-app", "run"]
    main()
