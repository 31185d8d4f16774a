"""The shown part of a live run, in memory, and how its readers are woken.

A reader keeps an index into the pieces, not a queue: a slow one costs nothing and gets
everything it has missed as one piece.
"""

import asyncio
from bisect import bisect_right

from chat_app.runs.events import EndEvent, TextEvent, utf16_length


class Channel:
    """What readers of one run may see.

    Attributes:
        seq: The last stored log entry.
        length: The length of the text, in UTF-16 code units.
        end: How the run ended, once it has.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.length = 0
        self.end: EndEvent | None = None
        self._seqs: list[int] = []
        self._offsets: list[int] = []
        self._texts: list[str] = []
        self._changed = asyncio.Event()

    def put(self, seq: int, text: str) -> None:
        """Show a stored entry. An entry without text only moves `seq`."""
        self.seq = seq
        if not text:
            return
        self._seqs.append(seq)
        self._offsets.append(self.length)
        self._texts.append(text)
        self.length += utf16_length(text)
        self.wake()

    def close(self, end: EndEvent) -> None:
        """Tell the readers that nothing follows."""
        self.end = end
        self.wake()

    def wake(self) -> None:
        """Let every reader look again."""
        woken, self._changed = self._changed, asyncio.Event()
        woken.set()

    async def changed(self) -> None:
        """Wait for the next `put`, `close` or `wake`."""
        await self._changed.wait()

    def index_after(self, seq: int) -> int:
        """Where a reader that has seen everything up to `seq` goes on."""
        return bisect_right(self._seqs, seq)

    def read(self, index: int) -> tuple[TextEvent | None, int]:
        """Everything from an index on as one event, and the index to go on from."""
        end = len(self._texts)
        if index >= end:
            return None, index
        text = self._texts[index] if end - index == 1 else "".join(self._texts[index:])
        return TextEvent(self._seqs[-1], self._offsets[index], text), end
