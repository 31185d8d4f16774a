"""What models cost: the operator's prices, or those of genai-prices.

The package brings a table of public prices, and that copy is used as it was released: nothing is
fetched. Its import takes a third of a second, so it waits for the first price that is asked for.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING

from chat_app.core.events import Usage
from chat_app.settings.models import PriceSettings
from chat_app.settings.validation import host_of, is_loopback

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

_NANO = 1_000_000_000
_MILLION = 1_000_000
_SAMPLE = 1_000
"""Tokens of which the price is asked: few enough for the first tier."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in US dollars per million tokens; for a short prompt if that matters.

    Args:
        input: Of the prompt.
        output: Of the answer, with its reasoning.
        cached_input: Of the prompt's tokens that the provider had cached.
    """

    input: Decimal
    output: Decimal
    cached_input: Decimal


class Prices:
    """The prices of all models.

    Args:
        overrides: The operator's prices, by model id.
    """

    def __init__(self, overrides: Mapping[str, PriceSettings]) -> None:
        self._overrides = overrides
        self._offers: dict[str, tuple[str, str]] = {}
        self._is_loading = False
        self._known: dict[str, tuple[Price | None, int | None]] = {}

    def add(self, model_id: str, base_url: str, model: str) -> None:
        """Look for the price of a model in the table, unless it runs on this machine.

        Args:
            model_id: Its id in this program.
            base_url: Of the provider's API; it says which provider that is.
            model: Its name there.
        """
        if not is_loopback(host_of(base_url)):
            self._offers.setdefault(model_id, (base_url.lower(), model))

    def preload(self, model_id: str) -> None:
        """Begin to read the table in a thread, if the price of a model is in it."""
        if self._is_loading or model_id in self._overrides or model_id not in self._offers:
            return
        self._is_loading = True
        asyncio.get_running_loop().run_in_executor(None, import_module, "genai_prices")

    def of(self, model_id: str) -> Price | None:
        """The price of a model; None if it is not known. May have to read the table."""
        override = self._overrides.get(model_id)
        if override is not None:
            return Price(override.input, override.output, override.cached)
        fresh = self._calculate(model_id, Usage(_SAMPLE, _SAMPLE))
        cached = self._calculate(model_id, Usage(_SAMPLE, 0, cached_input_tokens=_SAMPLE))
        if fresh is None or cached is None:
            return None
        scale = _MILLION // _SAMPLE
        return Price(
            fresh.input_price * scale, fresh.output_price * scale, cached.input_price * scale
        )

    async def look_up(self, model_ids: Iterable[str]) -> None:
        """Look for the prices and the windows of models in a thread, for `known`."""
        unknown = [model_id for model_id in model_ids if model_id not in self._known]
        if unknown:
            self._known |= await asyncio.to_thread(self._found, unknown)

    def known(self, model_id: str) -> tuple[Price | None, int | None]:
        """The price and the window of a model; None until `look_up` has found them."""
        return self._known.get(model_id, (None, None))

    def _found(self, model_ids: Iterable[str]) -> dict[str, tuple[Price | None, int | None]]:
        return {one: (self.of(one), self.window_of(one)) for one in model_ids}

    def cost_of(self, model_id: str, usage: Usage, at: datetime) -> int | None:
        """What an answer cost, in billionths of a US dollar; None if that is not known.

        Args:
            model_id: The model that answered.
            usage: What the provider counted.
            at: When; some prices change with the hour.
        """
        override = self._overrides.get(model_id)
        if override is not None:
            cached = _cached(usage)
            dollars = (
                (usage.input_tokens - cached) * override.input
                + cached * override.cached
                + usage.output_tokens * override.output
            ) / _MILLION
        elif found := self._calculate(model_id, usage, at):
            dollars = found.total_price
        else:
            return None
        return round(dollars * _NANO)

    def window_of(self, model_id: str) -> int | None:
        """How many tokens a model takes, as the table has it; None if it does not."""
        found = self._calculate(model_id, Usage(0, 0))
        return None if found is None else found.model.context_window

    def _calculate(
        self, model_id: str, usage: Usage, at: datetime | None = None
    ) -> "PriceCalculation | None":
        """What the table says; None if the model is not in it."""
        if model_id not in self._offers:
            return None
        import genai_prices

        base_url, model = self._offers[model_id]
        counts = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=_cached(usage),
            cache_write_tokens=min(usage.cache_write_tokens, usage.input_tokens - _cached(usage)),
            output_tokens=usage.output_tokens,
        )
        try:
            return genai_prices.calc_price(
                counts, model, provider_api_url=base_url, genai_request_timestamp=at
            )
        except (LookupError, ValueError):  # not in the table, or priced by what is not counted
            return None


def _cached(usage: Usage) -> int:
    return min(usage.cached_input_tokens or 0, usage.input_tokens)
