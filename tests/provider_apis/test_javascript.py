"""The JavaScript clients of OpenAI and Anthropic call the server."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from testing import bun
from testing.provider_apis import ProviderServer, until
from testing.run_services import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="package")

HERE = Path(__file__).parent
MODEL, SLOW = "fake:7x0", "fake:100007x50"


async def test_the_javascript_clients_read_answers_streams_models_and_errors(
    server: ProviderServer, tmp_path: Path
) -> None:
    shutil.copy(HERE / "clients.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(bun.locked_packages(HERE) / "node_modules")
    key = await server.key("chat", "models")
    given = {"url": server.url, "key": key.token, "model": MODEL, "slow": SLOW}
    process = await asyncio.create_subprocess_exec(
        *(bun.program(), "clients.mjs", json.dumps(given)),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        if await process.stdout.readline() == b"revoke\n":
            await server.revoke(key)
        said, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    found = json.loads(said)
    told = {"whole": "It is so.", "streamed": "It is so.", "answer": "41"}
    called = ["add", '{"a": 1}']
    assert found["chat"] == {**told, "reason": "stop", "call": [*called, "tool_calls"]}
    assert found["responses"] == {**told, "reason": "completed", "call": [*called, "completed"]}
    called = ["add", '{"a":1}', "tool_use"]
    assert found["messages"] == {**told, "reason": "end_turn", "call": called}
    offered = [model.id for model in server.live.models.all()]
    assert (found["models"], found["pages"]) == (offered, offered)
    assert found["errors"] == {
        "openaiKey": ["AuthenticationError", 401, "invalid_api_key"],
        "openaiModel": ["NotFoundError", 404, "model_not_found"],
        "openaiLarge": ["APIError", 413, "too_large"],
        "anthropicKey": ["AuthenticationError", 401, "authentication_error"],
        "anthropicModel": ["NotFoundError", 404, "not_found_error"],
        "anthropicLarge": ["ContentTooLargeError", 413, "request_too_large"],
    }
    assert {name: error[2] for name, error in found["revoked"].items()} == {
        "chat": "invalid_api_key",
        "responses": "invalid_api_key",
        "messages": "authentication_error",
    }
    await until(lambda: not server.model(SLOW).open)
