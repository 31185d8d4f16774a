"""Text that every database, socket and JSON encoder takes.

A provider that cuts its answer by UTF-16 units sends half an emoji per chunk. Half an emoji
crashes SQLite and JSON, and a NUL crashes Postgres, so both are repaired at the edge.
"""

import re

_WRONG = re.compile("[\ud800-\udfff\0]")


class SurrogateRepair:
    """Join surrogate pairs that were split over pieces; replace what has no other half."""

    def __init__(self) -> None:
        self._high = ""

    def feed(self, text: str) -> str:
        """Take the next piece and give what is safe to show; a high surrogate waits for more."""
        if self._high:
            text = self._high + text
            self._high = ""
        if not _WRONG.search(text):
            return text
        if "\ud800" <= text[-1] <= "\udbff":
            self._high = text[-1]
            text = text[:-1]
        joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return joined.replace("\0", "\ufffd")

    def end(self) -> str:
        """What stands for a half that never met the other one."""
        rest = "\ufffd" if self._high else ""
        self._high = ""
        return rest


def repair_surrogates(text: str) -> str:
    """The whole text, repaired."""
    repair = SurrogateRepair()
    return repair.feed(text) + repair.end()
