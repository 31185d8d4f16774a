"""One answer that is being made, in memory."""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.runs.channel import Channel
from chat_app.runs.events import EndEvent
from chat_app.runs.log import RunLog
from chat_app.runs.settle import Outcome


@dataclass(slots=True, eq=False)
class Live:
    """A run from before its first row to after its last.

    Attributes:
        thread_id: Its thread, once that is known.
        ending: How it was told to end, by anything but its model.
        told: Set together with `ending`.
        over: Set when its end is stored and shown.
    """

    run_id: UUID
    principal: Principal
    channel: Channel
    log: RunLog
    thread_id: UUID | None = None
    ending: Outcome | None = None
    told: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, outcome: Outcome) -> None:
        """Tell it to end. The first reason given stands."""
        if self.ending is None:
            self.ending = outcome
            self.told.set()

    def end_event(self, outcome: Outcome) -> EndEvent:
        """What readers see last."""
        return EndEvent(self.channel.seq, outcome.status, outcome.error, self.channel.length)
