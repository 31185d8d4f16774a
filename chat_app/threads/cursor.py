"""Where a page of the list ended, as one opaque word.

The word holds the sort key of the last row, so that page 100 costs what page 1 does.
"""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chat_app.errors import InvalidInput

_LONGEST = 120
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def encode(updated_at: datetime, thread_id: UUID) -> str:
    """The cursor after the thread with this sort key."""
    micros = (updated_at - _EPOCH) // _MICROSECOND
    return base64.urlsafe_b64encode(f"{micros}.{thread_id.hex}".encode()).decode().rstrip("=")


def decode(cursor: str) -> tuple[datetime, UUID]:
    """The sort key in a cursor.

    Raises:
        InvalidInput: It is none of ours.
    """
    try:
        if len(cursor) > _LONGEST:
            raise ValueError
        padded = cursor + "=" * (-len(cursor) % 4)
        micros, _, hexed = (
            base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").partition(".")
        )
        if len(hexed) != 32:
            raise ValueError
        return _EPOCH + _MICROSECOND * int(micros), UUID(hexed)
    except (ValueError, OverflowError, binascii.Error):
        raise InvalidInput("This list position is not valid; load the list again.") from None
