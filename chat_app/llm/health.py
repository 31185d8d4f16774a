"""The health of models, from the calls that are made anyway: a circuit breaker for each model.

After a few calls in a row that the provider failed, a model's breaker is `open`: calls go to its
alternatives, if it has any. When it has rested, it is `half-open`: one call tries it, and the first
token closes it. Only what the provider is to blame for counts; a prompt that is too long or
withheld says nothing about the next one.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from chat_app.llm.base import ProviderError

FAILURES = 3
"""So many failed calls in a row open a breaker."""
REST_SECONDS = 15.0
"""How long a breaker is open the first time; each failed trial doubles it."""
MAX_REST_SECONDS = 300.0
"""The longest rest, also when the provider asks for a longer one."""
MAX_BREAKERS = 1_000
"""How many models are remembered to fail; of fake models a client can name a million."""

_REQUEST_FAULTS = frozenset(
    {"context_too_long", "answer_withheld", "request_rejected", "tools_rejected"}
)
"""Message codes of failures that are about this one request."""

logger = logging.getLogger(__name__)

BreakerState = Literal["closed", "open", "half-open"]


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """How the last calls of a model went.

    Args:
        state: `closed` while it is called as usual, `open` while calls go to its alternatives,
            `half-open` when one call tries it.
        error: The message code of its last failure; empty if its last call did not fail.
        params: The parameters of the message.
        seconds: Until it is tried again; 0 unless it is open.
    """

    state: BreakerState = "closed"
    error: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(slots=True)
class _Breaker:
    """The breaker of a model whose last call failed.

    Attributes:
        failures: Failed calls in a row.
        rest: The length of the last rest, in seconds; 0 before the first.
        until: When the rest ends, on the monotonic clock.
        is_open: Whether the model rests, or waits for the outcome of a trial.
        is_tried: Whether one call tries it.
    """

    error: ProviderError
    failures: int = 0
    rest: float = 0.0
    until: float = 0.0
    is_open: bool = False
    is_tried: bool = False


class HealthMonitor:
    """The breakers of all models. A model that answers has none.

    Args:
        now: Seconds of a monotonic clock.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._breakers: dict[str, _Breaker] = {}

    def of(self, model_id: str) -> ModelHealth:
        """The health of a model."""
        breaker = self._breakers.get(model_id)
        if breaker is None:
            return ModelHealth()
        error, params = breaker.error.message_code, breaker.error.params
        if not breaker.is_open:
            return ModelHealth("closed", error, params)
        seconds = max(0.0, breaker.until - self._now())
        return ModelHealth("open" if seconds else "half-open", error, params, seconds)

    def can_call(self, model_id: str) -> bool:
        """Whether a model should be called before its alternatives."""
        breaker = self._breakers.get(model_id)
        if breaker is None or not breaker.is_open:
            return True
        return not breaker.is_tried and self._now() >= breaker.until

    def started(self, model_id: str) -> None:
        """A call begins; while a model is half-open, it is the trial."""
        breaker = self._breakers.get(model_id)
        if breaker is not None:
            breaker.is_tried = True

    def answering(self, model_id: str) -> None:
        """A call has its first token, which closes the breaker."""
        breaker = self._breakers.get(model_id)
        if breaker is not None:
            # an answer that breaks off now counts with the failures before it
            breaker.is_open = breaker.is_tried = False

    def succeeded(self, model_id: str) -> None:
        """A call ended as it should."""
        self._breakers.pop(model_id, None)

    def cancelled(self, model_id: str) -> None:
        """A call was given up before its first token: another one is the trial."""
        breaker = self._breakers.get(model_id)
        if breaker is not None:
            breaker.is_tried = False

    def failed(self, model_id: str, error: ProviderError) -> None:
        """A call failed, after its retries.

        Args:
            model_id: The model.
            error: Why.
        """
        if is_request_fault(error):
            self.cancelled(model_id)
            return
        breaker = self._breakers.setdefault(model_id, _Breaker(error))
        if len(self._breakers) > MAX_BREAKERS:
            del self._breakers[next(iter(self._breakers))]
        breaker.error, breaker.is_tried = error, False
        breaker.failures += 1
        wait = retry_after(error)
        if breaker.failures < FAILURES and not wait:
            return
        now = self._now()
        if breaker.is_open and now < breaker.until:
            return  # calls that began before it opened, or that had no alternative
        breaker.rest = min(MAX_REST_SECONDS, max(wait, 2 * breaker.rest, REST_SECONDS))
        breaker.until = now + breaker.rest
        breaker.is_open = True
        logger.warning(
            "The model %s fails (%s): its alternatives are called for %.0f s.",
            model_id,
            error.message_code,
            breaker.rest,
        )


def is_request_fault(error: ProviderError) -> bool:
    """Whether a failure is about the request, so that others say nothing about it."""
    return error.message_code in _REQUEST_FAULTS


def retry_after(error: ProviderError) -> float:
    """The seconds that the provider asks to wait; 0 if it does not."""
    seconds = error.params.get("retry_after")
    return float(seconds) if isinstance(seconds, int | float) else 0.0
