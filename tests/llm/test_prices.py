"""Prices: the operator's, then those of the table."""

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from chat_app.core.events import Usage
from chat_app.llm.prices import Price, Prices
from chat_app.llm.registry import Models
from chat_app.settings import ConfigError, read_settings
from chat_app.settings.models import PriceSettings

OPENAI = "https://api.openai.com/v1"
NOW = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.fixture
def prices() -> Prices:
    own = PriceSettings(input=Decimal("0.1"), output=Decimal("0.4"), cached_input=Decimal("0.01"))
    found = Prices({"own": own, "plain": PriceSettings(input=Decimal(3), output=Decimal(15))})
    found.add("mini", OPENAI, "gpt-5.4-mini")
    found.add("routed", "https://openrouter.ai/api/v1", "openai/gpt-5.4-mini")
    found.add("claude", "https://api.anthropic.com/v1", "claude-sonnet-4-5")
    found.add("unknown", OPENAI, "no-such-model")
    found.add("elsewhere", "https://models.example/v1", "gpt-5.4-mini")
    found.add("local", "http://localhost:11434/v1", "gpt-5.4-mini")
    return found


@pytest.mark.parametrize("model_id", ["mini", "routed"])
def test_the_price_of_a_known_model_is_that_of_its_provider(prices: Prices, model_id: str) -> None:
    price = prices.of(model_id)
    assert price is not None
    assert 0 < price.cached_input < price.input < price.output
    assert prices.window_of(model_id) in (None, 400_000)


def test_an_answer_costs_what_its_tokens_cost(prices: Prices) -> None:
    price = prices.of("mini")
    assert price is not None
    dollars = (600 * price.input + 400 * price.cached_input + 250 * price.output) / 1_000_000
    usage = Usage(1_000, 250, reasoning_tokens=200, cached_input_tokens=400)
    assert prices.cost_of("mini", usage, NOW) == dollars * 1_000_000_000 > 0


def test_what_is_written_to_a_cache_has_a_price_of_its_own(prices: Prices) -> None:
    plain = prices.cost_of("claude", Usage(1_000, 10), NOW)
    written = prices.cost_of("claude", Usage(1_000, 10, cache_write_tokens=1_000), NOW)
    assert plain is not None
    assert written is not None
    assert written > plain
    too_many = Usage(1_000, 10, cached_input_tokens=900, cache_write_tokens=1_000)
    assert prices.cost_of("claude", too_many, NOW) is not None
    assert prices.cost_of("mini", Usage(1_000, 10, cache_write_tokens=1_000), NOW) is not None


@pytest.mark.parametrize("model_id", ["unknown", "elsewhere", "local", "never added"])
def test_a_model_that_is_not_in_the_table_has_no_price(prices: Prices, model_id: str) -> None:
    assert prices.of(model_id) is None
    assert prices.cost_of(model_id, Usage(1, 1), NOW) is None
    assert prices.window_of(model_id) is None


def test_the_operators_price_replaces_that_of_the_table(prices: Prices) -> None:
    assert prices.of("own") == Price(Decimal("0.1"), Decimal("0.4"), Decimal("0.01"))
    usage = Usage(1_000, 500, cached_input_tokens=200)
    assert prices.cost_of("own", usage, NOW) == 800 * 100 + 200 * 10 + 500 * 400
    assert prices.of("plain") == Price(Decimal(3), Decimal(15), Decimal(3))
    assert prices.cost_of("plain", usage, NOW) == 1_000 * 3_000 + 500 * 15_000


@pytest.mark.parametrize("model_id", ["own", "mini"])
def test_more_cached_tokens_than_there_are_do_not_make_an_answer_cheaper(
    prices: Prices, model_id: str
) -> None:
    all_cached = prices.cost_of(model_id, Usage(10, 10, cached_input_tokens=10), NOW)
    assert prices.cost_of(model_id, Usage(10, 10, cached_input_tokens=99), NOW) == all_cached


def test_the_registry_knows_where_each_model_is_offered() -> None:
    providers = [{"name": "router", "base_url": "https://openrouter.ai/api/v1", "models": ["x"]}]
    models = Models(
        read_settings(
            _env_file=None,
            openai_api_key="sk-canary",
            openai_base_url="",
            chat_models=("gpt-5.4-mini",),
            chat_providers=providers,
            chat_prices={"router/x": {"input": 1, "output": 2}},
            chat_model="",
        )
    )
    assert models.prices.of("gpt-5.4-mini") is not None
    assert models.prices.of("router/x") == Price(Decimal(1), Decimal(2), Decimal(1))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ('{"a": {"input": 1}}', "CHAT_PRICES: output of a is missing"),
        ('{"a": {"input": -1, "output": 1}}', "CHAT_PRICES: input of a must be at least 0"),
        ('{"a": {"input": "x", "output": 1}}', "CHAT_PRICES: input of a must be a number"),
        ('{"a": {"inptu": 1, "output": 1}}', "CHAT_PRICES: a has the unknown key 'inptu'"),
        ("[]", "CHAT_PRICES: must be an object in braces"),
        ("{", "CHAT_PRICES: must be valid JSON"),
    ],
)
def test_a_price_that_cannot_be_used_stops_the_start(value: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_settings(_env_file=None, chat_prices=value)


def test_the_table_is_read_when_a_price_is_asked_for_and_not_before() -> None:
    code = """if True:
        import sys, chat_app.services
        from chat_app.llm.prices import Prices
        prices = Prices({})
        prices.add("local", "http://127.0.0.1:11434/v1", "gpt-5.4-mini")
        assert prices.of("local") is None  # a model on this machine is not in it
        sys.exit("genai_prices" in sys.modules)"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
