"""The protocol's own Python client at `/mcp`, with and without a handshake."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from mcp.shared.exceptions import MCPError

from testing.mcp_clients import (
    MODERN,
    MODES,
    Mode,
    Seen,
    new_thread,
    open_client,
    structured,
    texts_of,
)
from testing.provider_apis import ProviderServer, until

pytestmark = pytest.mark.asyncio(loop_scope="package")

both_modes = pytest.mark.parametrize("mode", MODES)


@both_modes
async def test_the_tools_say_what_they_take_and_return_and_whether_they_write(
    server: ProviderServer, mode: Mode
) -> None:
    key = await server.key("mcp")
    async with open_client(server.url, key.token, mode) as client:
        assert client.protocol_version == (MODERN if mode == "auto" else "2025-11-25")
        assert client.server_info is not None
        assert client.server_info.name == "chat-app"
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(tools) == ["search_threads", "read_thread", "ask"]
    reading = {name: tool.annotations.read_only_hint for name, tool in tools.items()}  # pyright: ignore
    assert reading == {"search_threads": True, "read_thread": True, "ask": False}
    for tool in tools.values():
        assert tool.title
        assert tool.input_schema["additionalProperties"] is False
        assert tool.output_schema is not None
        assert set(tool.output_schema["required"]) == set(tool.output_schema["properties"])
    assert tools["ask"].input_schema["required"] == ["question"]
    assert "fake:think" in (tools["ask"].description or "")


@both_modes
async def test_an_answer_is_streamed_and_stored_and_its_chat_goes_on(
    server: ProviderServer, mode: Mode
) -> None:
    key = await server.key("mcp")
    seen = Seen()
    async with open_client(server.url, key.token, mode) as client:
        asked = {"question": "think: Hm. echo: The otter eats.", "model": "fake:think:20x5"}
        result = await client.call_tool("ask", asked, progress_callback=seen)
        assert not result.is_error
        first = result.structured_content
        thread_id = first["thread_id"]
        assert first["answer"] == "The otter eats."
        assert (first["status"], first["model"]) == ("complete", "fake:think:20x5")
        assert first["url"] == f"{server.live.settings.url}/c/{thread_id}"
        texts = [getattr(block, "text", "") for block in result.content]
        assert texts == ["The otter eats.", f"thread_id: {thread_id}"]
        # what was shown on the way is the answer, and thoughts count but are not shown
        assert seen.text == "The otter eats."
        assert seen.counts[0] == 0
        assert seen.counts == sorted(set(seen.counts))
        assert seen.counts[-1] == len("Hm.") + len("The otter eats.")
        second = await structured(
            client, "ask", question="echo: And sleeps.", thread_id=thread_id, model="fake:20x0"
        )
        assert (second["thread_id"], second["answer"]) == (thread_id, "And sleeps.")
        read = await structured(client, "read_thread", thread_id=thread_id)
        found = await structured(client, "search_threads", query="sleeps role:assistant")
    stored = await texts_of(server, key, thread_id)
    assert stored[1::2] == ["The otter eats.", "And sleeps."]
    assert [message["text"] for message in read["messages"]] == stored
    assert [message["role"] for message in read["messages"]] == ["user", "assistant"] * 2
    assert read["next_cursor"] is None
    [hit] = found["hits"]
    assert (hit["thread_id"], hit["message_id"]) == (thread_id, second["message_id"])
    assert (hit["role"], hit["snippet"]) == ("assistant", "And sleeps.")


async def test_a_new_chat_is_in_the_organisation_that_is_named(server: ProviderServer) -> None:
    key = await server.key("mcp")
    org = (await server.live.organisations.create(key.owner, "Acme")).id
    async with open_client(server.url, key.token) as client:
        asked = {"question": "echo: Hi.", "model": "fake:5x0"}
        answer = await structured(client, "ask", **asked, organisation=str(org))
        private = await structured(client, "ask", **asked)
        failed = [
            await client.call_tool("ask", {**asked, "organisation": one})
            for one in (str(uuid4()), "x")
        ]
    owner = await server.live.sessions.principal(key.owner.credential_id)
    assert owner is not None
    found = [
        (await server.live.threads.get(owner, UUID(one["thread_id"]))).org_id
        for one in (answer, private)
    ]
    assert found == [org, UUID(int=0)]
    assert all(one.is_error for one in failed)
    assert failed[0].content == failed[1].content


async def test_a_model_that_fails_is_an_error_of_the_tool_and_is_stored(
    server: ProviderServer,
) -> None:
    key = await server.key("mcp")
    async with open_client(server.url, key.token) as client:
        asked = {"question": "hi", "model": "fake:drop:20x0"}
        result = await client.call_tool("ask", asked)
        assert result.is_error
        assert [block.text for block in result.content] == [  # pyright: ignore
            "Fake:drop:20x0's answer was cut off."
        ]
        answer = result.structured_content
        assert answer["status"] == "failed"
        assert answer["answer"].startswith("# A determ")
        read = await structured(client, "read_thread", thread_id=answer["thread_id"])
    [_, failed] = read["messages"]
    assert (failed["status"], failed["text"]) == ("failed", answer["answer"])
    assert failed["error"] == "Fake:drop:20x0's answer was cut off."


@both_modes
async def test_what_is_wrong_with_a_call_is_said_in_one_sentence(
    server: ProviderServer, mode: Mode
) -> None:
    key = await server.key("mcp")
    thread_id = str(await new_thread(server, key, "hi"))
    cases: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("ask", {}, "Invalid value for question: field required."),
        ("ask", {"question": " "}, "Write a message first."),
        ("ask", {"question": "hi", "model": "gpt-0"}, "There is no model gpt-0."),
        ("ask", {"question": "hi", "thread_id": str(uuid4())}, "Not found."),
        ("ask", {"question": "hi", "user_id": "x"}, "Invalid value for user_id"),
        ("read_thread", {"thread_id": "x"}, "Not found."),
        ("read_thread", {"thread_id": thread_id, "cursor": "x"}, "Not found."),
        ("read_thread", {"thread_id": thread_id, "limit": 0}, "Invalid value for limit"),
        ("search_threads", {"query": "a", "cursor": "x"}, "This page of the search is not valid"),
        ("search_threads", {"query": "a" * 201}, "Invalid value for query"),
    )
    async with open_client(server.url, key.token, mode) as client:
        for tool, arguments, sentence in cases:
            result = await client.call_tool(tool, arguments)
            assert result.is_error
            [block] = result.content
            said = getattr(block, "text", "")
            assert sentence in said
            assert said.endswith(".")
            assert said.count(". ") <= 1
        with pytest.raises(MCPError, match="Tool not found"):
            await client.call_tool("delete_everything", {})
    assert await texts_of(server, key, thread_id) == (await texts_of(server, key, thread_id))[:2]


async def test_an_answer_that_its_user_stops_is_returned_as_far_as_it_is(
    server: ProviderServer,
) -> None:
    key = await server.key("mcp")
    model = server.model("fake:90001x20")
    seen = Seen()
    async with open_client(server.url, key.token) as client:
        asked = {"question": "hi", "model": "fake:90001x20"}
        asking = asyncio.create_task(client.call_tool("ask", asked, progress_callback=seen))
        await until(lambda: len(seen.text) > 10)
        [thread] = (await server.live.threads.page(key.owner)).threads
        read = await structured(client, "read_thread", thread_id=str(thread.id))
        assert read["messages"][1]["status"] == "running"
        assert read["messages"][1]["text"].startswith("# A determ")
        await server.live.runs.stop_thread(key.owner, thread.id)
        result = await asyncio.wait_for(asking, 30)
    assert not model.open
    assert not result.is_error
    answer = result.structured_content
    assert (answer["status"], answer["answer"]) == ("stopped", seen.text)
    assert "stopped" in result.content[1].text  # pyright: ignore


@both_modes
async def test_a_client_that_gives_up_stops_nothing(server: ProviderServer, mode: Mode) -> None:
    key = await server.key("mcp")
    model_id, seen = f"fake:9000{4 + MODES.index(mode)}x20", Seen()
    async with open_client(server.url, key.token, mode) as client:
        asked = {"question": "hi", "model": model_id}
        asking = asyncio.create_task(client.call_tool("ask", asked, progress_callback=seen))
        await until(lambda: seen.text)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        [thread] = (await server.live.threads.page(key.owner)).threads
        async with asyncio.timeout(60):
            text = ""
            while len(text) < len(seen.text) + 200:
                read = await structured(client, "read_thread", thread_id=str(thread.id))
                assert read["messages"][1]["status"] == "running"
                text = read["messages"][1]["text"]
    assert text.startswith(seen.text)
    await server.live.runs.stop_thread(key.owner, thread.id)


@both_modes
async def test_a_key_that_is_revoked_ends_the_call(server: ProviderServer, mode: Mode) -> None:
    key = await server.key("mcp")
    model_id = f"fake:9000{2 + MODES.index(mode)}x20"
    model, seen = server.model(model_id), Seen()
    async with open_client(server.url, key.token, mode) as client:
        asked = {"question": "hi", "model": model_id}
        asking = asyncio.create_task(client.call_tool("ask", asked, progress_callback=seen))
        await until(lambda: seen.text)
        await server.revoke(key)
        with pytest.raises(MCPError, match="This API key is not valid here"):
            await asyncio.wait_for(asking, 30)
        with pytest.raises(MCPError, match="This API key is not valid here"):
            await client.call_tool("search_threads", {"query": "a"})
    await until(lambda: not model.open)


async def test_a_wrong_key_and_a_key_without_the_scope_are_told_so(server: ProviderServer) -> None:
    other = await server.key("chat", "threads:read", "threads:write", "models")
    for token, sentence in (("ck_wrong", "not valid here"), (other.token, "lacks the scope mcp")):
        with pytest.raises(BaseExceptionGroup) as caught:
            async with open_client(server.url, token):
                pass
        assert sentence in str(_leaf(caught.value))


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def test_a_thread_is_read_in_pages_from_its_end(server: ProviderServer) -> None:
    key = await server.key("mcp")
    thread_id = await new_thread(server, key, "echo: One.", "echo: Two.", "echo: Three.")
    pages: list[list[str]] = []
    async with open_client(server.url, key.token) as client:
        cursor = None
        while True:
            page = await structured(
                client, "read_thread", thread_id=str(thread_id), limit=4, cursor=cursor
            )
            pages.append([message["text"] for message in page["messages"]])
            if (cursor := page["next_cursor"]) is None:
                break
    assert pages == [["echo: Two.", "Two.", "echo: Three.", "Three."], ["echo: One.", "One."]]


async def test_a_page_has_at_most_so_much_text(server: ProviderServer) -> None:
    key = await server.key("mcp")
    thread_id = await new_thread(server, key, "a" * 15_000, *("b" * 15_000,) * 4)
    async with open_client(server.url, key.token) as client:
        first = await structured(client, "read_thread", thread_id=str(thread_id))
        second = await structured(
            client, "read_thread", thread_id=str(thread_id), cursor=first["next_cursor"]
        )
    pages = [[message["text"] for message in page["messages"]] for page in (first, second)]
    assert all(sum(map(len, page)) <= 60_000 for page in pages)
    assert pages[1] + pages[0] == await texts_of(server, key, str(thread_id))
    assert UUID(first["next_cursor"])
