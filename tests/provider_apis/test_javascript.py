"""The JavaScript clients of OpenAI and Anthropic call the server."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from testing import bun
from testing.provider_apis import ProviderServer, until

pytestmark = pytest.mark.asyncio(loop_scope="package")

HERE = Path(__file__).parent
SECONDS = 60
"""The timeout of all calls, which begin with the start of bun."""
CODES = {
    "chat": "invalid_api_key",
    "responses": "invalid_api_key",
    "messages": "authentication_error",
}
"""How each API says that a key is not valid."""
MODEL, SLOW = "fake:7x0", "fake:100007x50"


async def test_the_javascript_clients_read_answers_streams_models_and_errors(
    server: ProviderServer, tmp_path: Path
) -> None:
    shutil.copy(HERE / "clients.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(bun.locked_packages(HERE) / "node_modules")
    key = await server.key("chat", "models")
    revoked = [await server.key("chat") for _ in range(2)]
    given = {
        "url": server.url,
        "key": key.token,
        "revoked": [one.token for one in revoked],
        "model": MODEL,
        "slow": SLOW,
    }
    process = await asyncio.create_subprocess_exec(
        *(bun.program(), "clients.mjs", json.dumps(given)),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        for one in revoked:
            if await process.stdout.readline() != b"revoke\n":
                break
            await until(lambda: server.model(SLOW).open == 3)
            await server.revoke(one)
        said, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    found = json.loads(said)
    told = {"whole": "It is so.", "streamed": "It is so.", "answer": "41"}
    for api, reason, ending, arguments in (
        ("chat", "stop", "tool_calls", '{"a": 1}'),
        ("responses", "completed", "completed", '{"a": 1}'),
        ("messages", "end_turn", "tool_use", '{"a":1}'),
    ):
        call = ["add", arguments, ending]
        assert found[api] == {**told, "reason": reason, "call": call, "wholeCall": call}
    offered = [model.id for model in server.live.models.all()]
    assert (found["models"], found["pages"]) == (offered, offered)
    assert found["errors"] == {
        "openaiModel": ["NotFoundError", 404, "model_not_found"],
        "openaiLarge": ["APIError", 413, "too_large"],
        "anthropicModel": ["NotFoundError", 404, "not_found_error"],
        "anthropicLarge": ["ContentTooLargeError", 413, "request_too_large"],
    }
    calls = {f"{api} {stream}": api for stream in ("false", "true") for api in CODES}
    assert found["wrongKeys"] == {
        name: ["AuthenticationError", 401, CODES[api]] for name, api in calls.items()
    }
    assert {name: error[2] for name, error in found["revoked"].items()} == {
        name: CODES[api] for name, api in calls.items()
    }
    for api in CODES:
        assert found["revoked"][f"{api} false"][:2] == ["AuthenticationError", 401]
    await until(lambda: not server.model(SLOW).open)
