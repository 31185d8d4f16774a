"""docs/api.md, word by word: each of its blocks is run against the program."""

import asyncio
import json
import os
import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from packaging.requirements import Requirement
from playwright.async_api import Browser, expect

from testing import bun
from testing.browser import close
from testing.browser_user import TIMEOUT_MS, BrowserUser
from testing.http_user import PASSWORD, HttpUser
from testing.program import ROOT, Program, free_port

PAGE = (ROOT / "docs" / "api.md").read_text()
URL = "http://localhost:3000"
"""Where the page says that the server is."""
EXAMPLE = ROOT / "examples" / "assistant-ui"
AG_UI = ROOT / "tests" / "ag_ui"
ASSISTANT_CLOUD = ROOT / "tests" / "assistant_cloud"
TIMEOUT_SECONDS = 60
"""The timeout of a command, in seconds, so that a bug is a failure and not a hang."""

_BLOCK = re.compile(r"^#+ (.*?)$|^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"`(\w[\w.]*\.\w+)`:\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """The heading above each block, its language and its text."""
    heading = ""
    for match in _BLOCK.finditer(page):
        heading = match[1] or heading
        if match[3] is not None:
            yield heading, match[2], match[3]


def under(heading: str, language: str) -> list[str]:
    """The blocks under a heading."""
    return [text for above, of, text in blocks(PAGE) if (above, of) == (heading, language)]


FILES = dict(_FILE.findall(PAGE))
START, KEY = under("The server and a key", "sh")
[CURL] = under("curl", "sh")
[PYTHON] = under("Python", "sh")
ADD, VITE = under("AI SDK", "sh")
[ERROR] = under("Errors", "json")
[STREAM] = under("The stream", "")
ADD_AGENT, RUN_AGENT = under("AG-UI", "sh")
ADD_PROVIDERS, RUN_PROVIDERS = under("OpenAI and Anthropic clients", "sh")
ADD_TOOLS, RUN_TOOLS = under("MCP", "sh")
ADD_CLOUD, VITE_CLOUD = under("AssistantCloud", "sh")
CLOUD = {name: FILES.pop(name) for name in ("cloud.config.js", "cloud.js", "cloud.html")}
AGENT, PROVIDERS, TOOLS, MCP_JSON = (
    FILES.pop(name) for name in ("agent.mjs", "providers.py", "tools.py", "mcp.json")
)
SCOPES: list[str] = json.loads(re.findall(r'"scopes": (\[.*?\])', KEY)[0])
"""What the key of the page may do; it has to do for all of the page."""


def test_every_block_of_the_page_is_run_here() -> None:
    commands = [START, KEY, CURL, PYTHON, ADD, VITE, ADD_CLOUD, VITE_CLOUD]
    commands += [ADD_AGENT, RUN_AGENT, ADD_PROVIDERS, RUN_PROVIDERS, ADD_TOOLS, RUN_TOOLS]
    files = [AGENT, PROVIDERS, TOOLS, MCP_JSON, *CLOUD.values(), *FILES.values()]
    named = [*commands, ERROR, STREAM, *files]
    assert sorted(text for _, _, text in blocks(PAGE)) == sorted(named)
    assert set(FILES) == {"first.py", "index.html", "vite.config.js", "main.jsx"}
    # that this is all it takes is what tests/browser/test_first_conversation.py sees
    assert START == "make run\n"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder in which the commands find what they would find in a clone that has run."""
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    return tmp_path


async def run(script: str, folder: Path, **more: str) -> str:
    """What a script prints; it fails as soon as one of its commands does."""
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script),
        cwd=folder,
        env={**os.environ, **more},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(TIMEOUT_SECONDS):
        out, err = await shell.communicate()
    assert (shell.returncode, err.decode()) == (0, ""), out.decode()
    return out.decode()


async def test_the_commands_from_a_key_to_the_first_answers(program: Program, clone: Path) -> None:
    (clone / "first.py").write_text(FILES["first.py"])
    script = f"{KEY}echo; echo == curl; {CURL}echo; echo == python; {PYTHON}"
    out = await run(script.replace(URL, program.url), clone)
    signed_up, curl, python = re.split(r"== \w+\n", out)
    assert signed_up.strip() == f"{program.url}/"
    stream, _, listed = curl.partition("data: [DONE]\n\n")
    assert '"type":"text-delta"' in stream
    assert '"finishReason":"stop"' in stream
    [thread] = json.loads(listed)
    assert thread["title"] == "Hello"
    first, second, titles = python.split("\n--- ")
    assert first
    assert second
    assert titles.strip() == "['Hello', 'Hello']"


async def test_an_email_that_is_taken_signs_in_instead(
    program: Program, ada: HttpUser, clone: Path
) -> None:
    email = f"email={ada.email}"
    key = KEY.replace(URL, program.url).replace("email=ada@example.org", email)
    key = key.replace("plum Otter teapot 91", PASSWORD)
    failed = await run(f"exec 2>&1; {key}", clone)
    assert failed == f"{program.url}/signup?error=EmailTaken\nSign in first.\n"
    signs_in = key.replace("/api/auth/signup", "/api/auth/callback/credentials")
    said = await run(f"{signs_in}echo $CHAT_KEY", clone)
    assert re.fullmatch(rf"{program.url}/\nchatkey_\w+\n", said)


@asynccontextmanager
async def served(command: str, folder: Path, port: int, **more: str) -> AsyncIterator[str]:
    """A command that serves a page; the page's URL."""
    process = await asyncio.create_subprocess_shell(
        command,
        cwd=folder,
        env={**os.environ, **more},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while str(port) not in (line := (await process.stdout.readline()).decode()):
                assert line, "it has ended"
        yield f"http://localhost:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def packages_of(add: str) -> Iterator[tuple[str, str]]:
    """The packages that a `bun add` names, with their versions."""
    for one in add.split("--exact ")[1].split():
        name, _, version = one.rpartition("@")
        yield name, version


async def made_folder(commands: str, clone: Path) -> tuple[Path, dict[str, str]]:
    """A folder that a block makes, and the packages that it adds, which are not added."""
    make, add = commands.strip().splitlines()
    folder = clone / (await run(f"{make}; basename $PWD", clone)).strip()
    assert (folder / "package.json").exists()  # or bun would add to the one of the clone
    return folder, dict(packages_of(add))


def link_environment(clone: Path, command: str) -> None:
    """Make the environment of a command, with the packages that the tests have of it."""
    found = re.fullmatch(r"python3 -m venv (\w+) && \1/bin/pip install (.+)\n", command)
    assert found
    for wanted in map(Requirement, shlex.split(found[2])):
        assert version(wanted.name) in wanted.specifier
    (clone / found[1]).symlink_to(Path(sys.executable).parents[1])


def link_packages(modules: Path, links: dict[str, Path]) -> None:
    """Make a `node_modules` of packages that are installed elsewhere."""
    for name, path in links.items():
        (modules / name).parent.mkdir(parents=True, exist_ok=True)
        (modules / name).symlink_to(path)


async def test_the_page_with_the_ai_sdk(
    program: Program, ada: HttpUser, clone: Path, browser: Browser
) -> None:
    folder, wanted = await made_folder(ADD, clone)
    listed = json.loads((EXAMPLE / "package.json").read_text())
    ours = listed["dependencies"] | listed["devDependencies"]
    assert wanted == {name: ours[name] for name in wanted}  # which are tested together
    installed = bun.locked_packages(EXAMPLE) / "node_modules"
    linked = {name: installed / name for name in (*wanted, ".bin")}
    link_packages(folder / "node_modules", linked)
    for name in ("index.html", "vite.config.js", "main.jsx"):
        (folder / name).write_text(FILES[name])
    port, (_, key) = free_port(), await ada.new_key(*SCOPES)
    command = f"{VITE.strip()} --port {port} --strictPort"
    context = await browser.new_context()
    try:
        async with served(command, folder, port, CHAT_URL=program.url, CHAT_KEY=key) as url:
            page = await context.new_page()
            page.set_default_timeout(TIMEOUT_MS)
            await page.goto(url)
            shown = page.locator("p")
            await page.get_by_label("Message").fill("echo: Hello there")
            await page.get_by_role("button", name="Send").click()
            whole = ["user: echo: Hello there", "assistant: Hello there"]
            await expect(shown).to_have_text(whole)
            await page.reload()
            await expect(shown).to_have_text(whole)
            [thread] = await ada.threads()
            assert thread["externalId"] == "my-first-chat"

            # resumed after a reload, and stopped
            change = {"model": "fake:4000x20"}
            await ada.http.patch(f"/api/threads/{thread['id']}", json=change)
            await page.get_by_label("Message").fill("hi")
            await page.get_by_role("button", name="Send").click()
            await expect(shown.nth(3)).to_contain_text("A deterministic")
            await page.reload()
            await expect(shown.nth(3)).to_contain_text("Streaming")
            await page.get_by_role("button", name="Stop").click()
            send = page.get_by_role("button", name="Send")
            await expect(send).to_be_enabled()
            stored = (await ada.messages(thread["id"]))[-1]
            assert stored["status"] == "stopped"
            text = "".join(part.get("text", "") for part in stored["parts"])
            await expect(shown.nth(3)).to_have_text(f"assistant: {text}")
            await expect(page.get_by_role("alert")).to_have_count(0)
    finally:
        await close(context)


async def test_the_agent_of_ag_ui(program: Program, ada: HttpUser, clone: Path) -> None:
    folder, wanted = await made_folder(ADD_AGENT, clone)
    ours = json.loads((AG_UI / "package.json").read_text())["dependencies"]
    assert [f"npm:{name}@{exact}" for name, exact in wanted.items()] == [ours["ag-ui"]]
    installed = bun.locked_packages(AG_UI) / "node_modules"
    link_packages(folder / "node_modules", {"@ag-ui/client": installed / "ag-ui"})
    (folder / "agent.mjs").write_text(AGENT)
    _, key = await ada.new_key(*SCOPES)
    said = await run(RUN_AGENT, folder, CHAT_URL=program.url, CHAT_KEY=key)
    [thread] = await ada.threads()
    answer = (await ada.messages(thread["id"]))[-1]
    assert thread["externalId"] == "my-first-agent"
    assert said == answer["parts"][0]["text"] + "\n"


async def test_the_clients_of_openai_and_anthropic(
    program: Program, ada: HttpUser, clone: Path
) -> None:
    (clone / "providers.py").write_text(PROVIDERS.replace('"Hello"', '"echo: Hello"'))
    link_environment(clone, ADD_PROVIDERS)
    _, key = await ada.new_key(*SCOPES)
    said = await run(RUN_PROVIDERS, clone, CHAT_URL=program.url, CHAT_KEY=key)
    assert said == "Hello\nHello\n"
    assert await ada.threads() == []


async def test_the_client_of_mcp(program: Program, ada: HttpUser, clone: Path) -> None:
    (clone / "tools.py").write_text(TOOLS.replace('"Hello"', '"echo: Hello there"'))
    link_environment(clone, ADD_TOOLS)
    _, key = await ada.new_key(*SCOPES)
    said = await run(RUN_TOOLS, clone, CHAT_URL=program.url, CHAT_KEY=key)
    [thread] = await ada.threads()
    answer, url, found = said.splitlines()
    assert answer == "Hello there"
    assert url == f"{program.url}/c/{thread['id']}"
    assert set(json.loads(found.replace("'", '"'))) == {thread["title"]}


async def test_the_mcp_json_is_all_that_a_client_needs(program: Program, ada: HttpUser) -> None:
    _, key = await ada.new_key("mcp")
    told = MCP_JSON.replace(URL, program.url).replace("chatkey_...", key)
    [server] = json.loads(told)["mcpServers"].values()
    assert server["type"] == "http"
    async with (
        httpx2.AsyncClient(headers=server["headers"], timeout=TIMEOUT_SECONDS) as http,
        Client(streamable_http_client(server["url"], http_client=http)) as client,
    ):
        tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == ["search_threads", "read_thread", "ask"]


async def test_a_page_uses_assistant_cloud_as_its_user(
    program: Program, clone: Path, browser: Browser
) -> None:
    folder, wanted = await made_folder(ADD_CLOUD, clone)
    example = json.loads((EXAMPLE / "package.json").read_text())
    ours = json.loads((ASSISTANT_CLOUD / "package.json").read_text())
    known = example["devDependencies"] | ours["dependencies"]
    assert wanted == {name: known[name] for name in wanted}  # which are tested together
    vite, cloud = (bun.locked_packages(one) / "node_modules" for one in (EXAMPLE, ASSISTANT_CLOUD))
    links = {name: vite / name for name in ("vite", ".bin")}
    link_packages(folder / "node_modules", {**links, "assistant-cloud": cloud / "assistant-cloud"})
    for name, text in CLOUD.items():
        (folder / name).write_text(text)
    port = free_port()
    command = f"{VITE_CLOUD.strip()} --port {port} --strictPort"
    context = await browser.new_context()
    try:
        async with served(command, folder, port, CHAT_URL=program.url) as url:
            user = BrowserUser(program.url, context, await context.new_page(), "Ada")
            page = f"{url}/cloud.html"
            async with user.page.expect_event("pageerror", timeout=TIMEOUT_MS) as refused:
                await user.page.goto(page)
            assert "Authorization failed" in str(await refused.value)
            await user.sign_up()
            title = {"title": "Tea"}
            headers = {"Origin": program.url}
            threads = f"{program.url}/api/threads"
            made = await user.context.request.post(threads, data={}, headers=headers)
            path = f"{threads}/{(await made.json())['id']}"
            assert (await user.context.request.patch(path, data=title, headers=headers)).ok
            await user.page.goto(page)
            await expect(user.page.locator("li")).to_have_text(["Tea"])
    finally:
        await context.close()


async def test_the_error_is_what_a_missing_thread_gets(ada: HttpUser) -> None:
    response = await ada.http.get(f"/api/threads/{uuid4()}")
    assert response.status_code == 404
    assert response.json() == json.loads(ERROR)


async def test_the_stream_has_the_chunks_in_this_order(program: Program, ada: HttpUser) -> None:
    _, key = await ada.new_key()
    body = {
        "messages": [{"role": "user", "parts": [{"type": "text", "text": "think: hm echo: Hi"}]}],
        "model": "fake:think40:1x0",
    }
    async with httpx.AsyncClient(base_url=program.url, trust_env=False) as http:
        headers = {"Authorization": f"Bearer {key}"}
        response = await http.post("/api/chat", json=body, headers=headers, timeout=TIMEOUT_SECONDS)
    assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert shapes(response.text) == shapes(STREAM.replace("{…}", "{}"))


def shapes(stream: str) -> list[tuple[str, ...]]:
    """The keys of each chunk and its type; several pieces of one part are one."""
    found: list[tuple[str, ...]] = []
    for line in stream.splitlines():
        if line.startswith("data: {"):
            chunk = json.loads(line.removeprefix("data: "))
            shape = (chunk["type"], *sorted(chunk))
            if found[-1:] != [shape]:
                found.append(shape)
    assert "data: [DONE]" in stream.splitlines()
    return found
