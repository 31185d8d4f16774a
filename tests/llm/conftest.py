from collections.abc import AsyncIterator, Callable

import pytest

from chat_app.llm.base import ModelTimeouts
from chat_app.llm.endpoint import Endpoint
from chat_app.llm.provider import ProviderModel
from testing.fake_provider import API_KEY

PATIENT = ModelTimeouts(first_token=30, idle=30)


@pytest.fixture
async def model_of() -> AsyncIterator[Callable[..., ProviderModel]]:
    endpoints: list[Endpoint] = []

    def make(url: str, timeouts: ModelTimeouts = PATIENT, key: str = API_KEY) -> ProviderModel:
        endpoints.append(Endpoint(url, key))
        return ProviderModel(endpoints[-1], "tiny", timeouts, name="Tiny")

    yield make
    for endpoint in endpoints:
        await endpoint.close()
