"""How long the door waits for whom, in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """Every duration of the door.

    Args:
        look: How often a socket looks at its own expiry and at a frame that is stuck.
        stuck: How long a client may leave a frame unread before it is taken for gone.
        close: How long a client has to take a close frame before the connection is dropped.
        revalidate: How often all live sessions are looked up again.
    """

    look: float = 15.0
    stuck: float = 30.0
    close: float = 1.0
    revalidate: float = 15.0


PATIENT = Patience()
