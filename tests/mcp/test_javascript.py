"""The JavaScript clients of the protocol call the server: one with a handshake, one without."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from testing import bun
from testing.mcp_clients import texts_of
from testing.provider_apis import ProviderServer, until
from testing.run_services import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="package")

HERE = Path(__file__).parent
SLOW = "fake:100011x50"


async def test_the_javascript_clients_call_the_tools(
    server: ProviderServer, tmp_path: Path
) -> None:
    shutil.copy(HERE / "clients.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(bun.locked_packages(HERE) / "node_modules")
    key = await server.key("mcp")
    given = {"url": server.url, "key": key.token, "slow": SLOW}
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
    assert set(found) == {"earlier", "now"}
    for number, results in enumerate(found.values(), 1):
        assert results["tools"] == ["search_threads", "read_thread", "ask"]
        assert (results["answer"], results["shown"]) == ("The otter eats.", "The otter eats.")
        assert results["read"] == await texts_of(server, key, results["thread"])
        assert results["found"] == 3 * number  # the title, the question and the answer
        assert results["missing"] == [True, "Not found."]
        assert results["left"] is True
        assert "This API key is not valid here" in results["revoked"]
    assert "This API key is not valid here" in found["earlier"]["wrongKey"]
    assert "requires authorization (HTTP 401)" in found["now"]["wrongKey"]
    slow = server.model(SLOW)
    await until(lambda: not slow.open)
