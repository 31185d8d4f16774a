from collections.abc import AsyncIterator, Callable

import pytest

from chat_app.llm.openai_compatible import Endpoint, ModelTimeouts, OpenAIModel
from testing.fake_provider import API_KEY

PATIENT = ModelTimeouts(first_token=30, idle=30)


@pytest.fixture
async def model_of() -> AsyncIterator[Callable[..., OpenAIModel]]:
    endpoints: list[Endpoint] = []

    def make(url: str, timeouts: ModelTimeouts = PATIENT, key: str = API_KEY) -> OpenAIModel:
        endpoints.append(Endpoint(url, key))
        return OpenAIModel(endpoints[-1], "tiny", timeouts, name="Tiny")

    yield make
    for endpoint in endpoints:
        await endpoint.close()
