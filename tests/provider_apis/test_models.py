"""The clients list the models."""

import anthropic
import httpx
import openai
import pytest

from testing.provider_apis import ProviderServer
from testing.run_services import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_openai_lists_and_finds_models(server: ProviderServer) -> None:
    key = await server.key("models")
    client = server.openai(key.token)
    found = [model.id async for model in await client.models.list()]
    assert found == [model.id for model in server.live.models.all()]
    model = await client.models.retrieve("fake:think")
    assert (model.id, model.object, model.owned_by) == ("fake:think", "model", "system")
    for missing in ("nothing", "provider/model", "fake:3x3"):  # the last is not listed
        with pytest.raises(openai.NotFoundError) as caught:
            await client.models.retrieve(missing)
        assert caught.value.code == "model_not_found"
    chat = await server.key("chat")
    client = server.openai(chat.token)
    with pytest.raises(openai.PermissionDeniedError):
        await client.models.list()


async def test_anthropic_lists_pages_and_finds_models(server: ProviderServer) -> None:
    key = await server.key("models")
    client = server.anthropic(key.token)
    offered = [model.id for model in server.live.models.all()]
    for limit in (1, 3, 1_000):
        assert [model.id async for model in client.models.list(limit=limit)] == offered
    page = await client.models.list(limit=2, before_id=offered[4])
    assert ([model.id for model in page.data], page.has_more) == (offered[2:4], True)
    model = await client.models.retrieve("fake:think")
    assert (model.display_name, model.lifecycle) == ("Fake:think", "active")
    with pytest.raises(anthropic.NotFoundError) as caught:
        await client.models.retrieve("nothing")
    assert caught.value.response.json()["error"]["type"] == "not_found_error"
    for limit in ("0", "x", "9999"):
        headers = {"x-api-key": key.token, "anthropic-version": "2023-06-01"}
        async with httpx.AsyncClient(
            base_url=server.url, headers=headers, timeout=PATIENCE
        ) as http:
            response = await http.get("/v1/models", params={"limit": limit})
        assert (response.status_code, response.json()["type"]) == (400, "error")
