"""A second look at every live session, in case a hint was lost."""

import asyncio
import contextlib
import logging

from chat_app.guard.live import SESSION_ENDED, LiveConnections
from chat_app.guard.needs import NO_ANSWER, Sessions

MAY_FAIL = 2
"""How many looks in a row may fail; at the next, nobody can be trusted to be signed in still."""

log = logging.getLogger(__name__)


async def keep_looking(live: LiveConnections, sessions: Sessions, *, every: float) -> None:
    """Look again and again for as long as the server runs, and at once when there is a doubt.

    Args:
        live: The open connections.
        sessions: Looks, and tells the bus what is over.
        every: Seconds between two looks.
    """
    failed = 0
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(every):
                await live.doubt.wait()
        live.doubt.clear()
        try:
            await sessions.revalidate(live.session_ids())
            failed = 0
        except NO_ANSWER as error:
            failed += 1
            log.warning("Live sessions could not be looked up: %s", type(error).__name__)
            if failed > MAY_FAIL:
                live.end_all(SESSION_ENDED, anonymous=False)
