"""How fast one socket may talk."""


class TokenBucket:
    """Lets a burst through, then a steady pace.

    Args:
        rate: Events per second in the long run.
        burst: Events at once.
        now: The current time in seconds, of any clock that only goes forward.
    """

    __slots__ = ("_burst", "_level", "_rate", "_seen")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._level = self._burst
        self._seen = now

    def take(self, now: float) -> bool:
        """Take one, or say that there is none left."""
        self._level = min(self._burst, self._level + (now - self._seen) * self._rate)
        self._seen = now
        if self._level < 1:
            return False
        self._level -= 1
        return True
