"""Both clients against the program: threads, streams, cuts, and what is refused."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from chat_app.client import (
    ApiError,
    AsyncAnswerStream,
    AsyncChatClient,
    ChatClient,
    FinishEvent,
    ReasoningEvent,
    TextEvent,
)
from testing.http_user import HttpUser
from testing.tcp_relay import TcpRelay

from .conftest import ClientMaker

LONG = "fake:4000x20"
"""A model whose answer takes longer than any test."""
CUTS = 5
NOW = (0.0,) * 200
"""Attempts without a wait."""
UNICODE = 'a\u2028b\x85c \U0001f600 e\u0301 עברית 漢字 \\ " </p>\n\ndata: [DONE]\n\nend'


async def finish_of(answer: AsyncAnswerStream) -> FinishEvent:
    """The end of an answer, which is its last event."""
    events = [event async for event in answer]
    last = events[-1]
    assert isinstance(last, FinishEvent)
    assert last == answer.finish
    return last


async def stored_text(chat: AsyncChatClient, answer: AsyncAnswerStream) -> str:
    """The text of an answer, as it is stored."""
    assert answer.thread_id is not None
    messages = await chat.messages(answer.thread_id)
    return next(message.text for message in messages if message.id == answer.message_id)


async def test_a_conversation_from_its_first_message_to_its_deletion(chat: AsyncChatClient) -> None:
    answer = await chat.send("think: hm echo: Hello there", model="fake:think40:20x1")
    events = [event async for event in answer]
    assert {event.type for event in events} == {"reasoning", "text", "finish"}
    assert (answer.text, answer.reasoning) == ("Hello there", "hm")
    assert answer.finish is not None
    assert answer.finish.reason == "stop"
    assert answer.finish.metadata.model == "fake:think40:20x1"
    assert answer.finish.metadata.usage is not None
    assert answer.thread_id is not None
    thread = await chat.thread(answer.thread_id)
    assert (thread.status, thread.running, thread.temperature) == ("regular", False, None)

    second = await chat.send("echo: Again", thread_id=answer.thread_id)
    assert await second.read() == "Again"
    messages = await chat.messages(answer.thread_id)
    assert [message.role for message in messages] == ["user", "assistant"] * 2
    assert [message.text for message in messages[1::2]] == ["Hello there", "Again"]
    assert messages[1].reasoning == "hm"
    assert messages[1].metadata == answer.finish.metadata
    assert messages[3].id == second.message_id
    assert await chat.messages(answer.thread_id, limit=1) == messages[-1:]

    await chat.rename_thread(answer.thread_id, "Greetings")
    await chat.change_thread(answer.thread_id, temperature=0.5, custom={"from": "a script"})
    thread = await chat.thread(answer.thread_id)
    assert (thread.title, thread.temperature) == ("Greetings", 0.5)
    assert thread.custom == {"from": "a script"}
    assert [one.title for one in await chat.threads()] == ["Greetings"]
    assert await chat.threads(search="other") == []
    await chat.archive_thread(answer.thread_id)
    assert await chat.threads() == []
    assert [one.id for one in await chat.threads(status="archived")] == [answer.thread_id]
    await chat.unarchive_thread(answer.thread_id)
    assert [one.status for one in await chat.threads()] == ["regular"]
    await chat.delete_thread(answer.thread_id)
    assert await chat.threads(status="all") == []


async def test_threads_are_made_and_moved_in_organisations(
    chat: AsyncChatClient, ada: HttpUser
) -> None:
    made = await ada.http.post("/api/organisations", json={"name": "Acme"})
    org = UUID(made.raise_for_status().json()["id"])
    answer = await chat.send("echo: At work", model="fake:5x0", organisation=org)
    assert await answer.read() == "At work"
    assert answer.thread_id is not None
    assert (await chat.thread(answer.thread_id)).org_id == org
    empty = await chat.create_thread("Plans", organisation=org)
    assert [one.id for one in await chat.threads(organisation=org)] == [empty.id, answer.thread_id]
    assert await chat.threads() == []
    await chat.move_thread(empty.id, None)
    assert [one.title for one in await chat.threads()] == ["Plans"]
    await chat.move_thread(empty.id, org)
    assert {one.org_id for one in await chat.threads(organisation="all")} == {org}
    with pytest.raises(ApiError) as refused:
        await chat.send("hi", organisation=uuid4())
    assert refused.value.status == 404


async def test_long_lists_are_read_to_their_end(
    chat: AsyncChatClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_app.client.operations.THREADS_PAGE", 2)
    monkeypatch.setattr("chat_app.client.operations.MESSAGES_PAGE", 3)
    made = [await chat.create_thread(f"Thread {n}", local_id=f"own-{n}") for n in range(5)]
    assert [one.external_id for one in made] == [f"own-{n}" for n in range(5)]
    assert await chat.create_thread(local_id="own-3") == made[3]
    newest = [f"Thread {n}" for n in (4, 3, 2, 1, 0)]
    assert [one.title for one in await chat.threads()] == newest
    assert [one.title for one in await chat.threads(limit=3)] == newest[:3]
    for n in range(4):
        assert await (await chat.send(f"echo: {n}", thread_id="own-2")).read() == str(n)
    messages = await chat.messages("own-2")
    assert [message.text for message in messages[1::2]] == ["0", "1", "2", "3"]
    assert await chat.messages("own-2", limit=5) == messages[-5:]


async def test_models_are_listed_and_chosen(chat: AsyncChatClient) -> None:
    offered = await chat.models()
    assert offered.default == "fake:20x5"
    assert "fake:think" in [model.id for model in offered.models]
    with pytest.raises(ApiError) as raised:
        await chat.send("hi", model="missing")
    assert (raised.value.status, raised.value.code) == (422, "invalid")
    assert await chat.threads() == []


async def test_usage_is_read(chat: AsyncChatClient) -> None:
    assert (await chat.usage()).total.calls == 0
    await (await chat.send("What is the weather like in Rome?")).read()
    found = await chat.usage(days=2)
    assert (found.until - found.since).days == 1
    assert found.total.calls == found.days[0].calls == found.models[0].calls == 1
    assert found.total.output_tokens > 0
    assert (found.models[0].model, found.purposes[0].purpose) == ("fake:20x5", "answer")


async def test_text_arrives_as_it_was_written(chat: AsyncChatClient) -> None:
    answer = await chat.send(f"echo: {UNICODE}")
    assert await answer.read() == UNICODE
    assert await stored_text(chat, answer) == UNICODE


async def test_a_stopped_answer_keeps_its_text_and_goes_on(chat: AsyncChatClient) -> None:
    answer = await chat.send("hi", model=LONG)
    assert isinstance(await anext(answer), TextEvent)
    await answer.stop()
    assert (await finish_of(answer)).reason == "stopped"
    assert answer.text
    assert await stored_text(chat, answer) == answer.text
    assert answer.thread_id is not None
    await chat.stop(answer.thread_id)  # nothing is running

    more = await chat.continue_answer(answer.thread_id)
    while len(more.text) <= len(answer.text):
        await anext(more)
    assert more.message_id == answer.message_id
    assert more.text.startswith(answer.text)
    await chat.stop(answer.thread_id, answer.stream_id)  # that one has ended
    await anext(more)
    await chat.stop(answer.thread_id, more.stream_id)
    assert (await finish_of(more)).reason == "stopped"


async def test_versions_of_a_question_and_of_its_answer(chat: AsyncChatClient) -> None:
    answer = await chat.send("echo: one")
    assert await answer.read() == "one"
    assert answer.thread_id is not None
    again = await chat.regenerate(answer.thread_id, answer.message_id)
    assert await again.read() == "one"
    assert again.message_id != answer.message_id
    question = (await chat.messages(answer.thread_id))[0]
    edited = await chat.edit(answer.thread_id, question.id, "echo: two")
    assert await edited.read() == "two"
    messages = await chat.messages(answer.thread_id)
    assert [message.text for message in messages] == ["echo: two", "two"]
    assert question.id in messages[0].versions


@pytest.mark.parametrize(
    ("model", "reason"),
    [("fake:length:20x0", "length"), ("fake:content-filter:20x0", "content-filter")],
)
async def test_an_answer_has_the_reason_why_it_ended(
    chat: AsyncChatClient, model: str, reason: str
) -> None:
    answer = await chat.send("hi", model=model)
    assert (await finish_of(answer)).reason == reason
    assert answer.text
    assert await stored_text(chat, answer) == answer.text


async def test_a_failed_answer_says_so_and_keeps_what_it_has(chat: AsyncChatClient) -> None:
    answer = await chat.send("hi", model="fake:drop:40x0")
    with pytest.raises(ApiError) as raised:
        await answer.read()
    assert raised.value.code == "answer_failed"
    assert raised.value.message == "Fake:drop:40x0's answer was cut off."
    assert answer.error == raised.value.message
    assert answer.finish is not None
    assert answer.finish.reason == "error"
    assert answer.text
    assert await stored_text(chat, answer) == answer.text


async def test_a_cut_stream_goes_on_where_it_was(
    client: ClientMaker, ada: HttpUser, relay: TcpRelay
) -> None:
    _, key = await ada.new_key()
    chat = client(key, url=relay.url, reconnect_waits=NOW)
    answer = await chat.send("hi", model="fake:think20:4000x20")
    pieces: dict[str, str] = {"text": "", "reasoning": ""}
    cuts = 0
    async for event in answer:
        if isinstance(event, TextEvent | ReasoningEvent):
            pieces[event.type] += event.text
        if relay.opened > cuts < CUTS:
            relay.cut()
            cuts += 1
        elif relay.opened > CUTS and answer.text:
            await answer.stop()
    assert relay.opened > cuts == CUTS
    assert (pieces["text"], pieces["reasoning"]) == (answer.text, answer.reasoning)
    [question, stored] = await client(key).messages(answer.thread_id or "")
    assert question.role == "user"
    assert (stored.text, stored.reasoning) == (answer.text, answer.reasoning)


async def test_a_message_whose_response_is_lost_is_stored_once(
    client: ClientMaker, ada: HttpUser, relay: TcpRelay
) -> None:
    _, key = await ada.new_key()
    chat = client(key, url=relay.url, reconnect_waits=NOW)
    relay.loses_next_response = True
    answer = await chat.send("echo: once")
    assert await answer.read() == "once"
    assert relay.opened == 2
    [thread] = await chat.threads()
    assert len(await chat.messages(thread.id)) == 2
    relay.cut()
    relay.loses_next_response = True
    with pytest.raises(ApiError) as raised:
        await chat.regenerate(thread.id)
    assert raised.value.code == "connection_lost"


async def test_the_same_message_id_is_the_same_answer(chat: AsyncChatClient) -> None:
    first = await chat.send("echo: one", message_id="job-17")
    assert await first.read() == "one"
    again = await chat.send("echo: one", message_id="job-17")
    assert await again.read() == "one"
    assert again.message_id == first.message_id
    with pytest.raises(ApiError) as raised:
        await chat.send("echo: another", message_id="job-17")
    assert (raised.value.status, raised.value.code) == (409, "conflict")


async def test_another_program_reads_the_answer_that_is_being_written(
    chat: AsyncChatClient, client: ClientMaker, ada: HttpUser
) -> None:
    answer = await chat.send("hi", model=LONG)
    await anext(answer)
    await answer.aclose()
    assert answer.thread_id is not None
    assert answer.stream_id is not None
    other = client((await ada.new_key())[1])
    followed = await other.resume_thread(answer.thread_id)
    assert followed is not None
    while not followed.text.startswith(answer.text) or followed.text == answer.text:
        await anext(followed)
    await followed.stop()
    assert (await finish_of(followed)).reason == "stopped"
    assert await other.resume_thread(answer.thread_id) is None
    replayed = await other.resume(answer.stream_id)
    assert await replayed.read() == followed.text


async def test_a_server_that_stays_away_is_one_error(
    client: ClientMaker, ada: HttpUser, relay: TcpRelay
) -> None:
    _, key = await ada.new_key()
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    is_async = isinstance(client(key), AsyncChatClient)
    slept: Callable[[float], object] = sleep if is_async else waited.append
    chat = client(key, url=relay.url, reconnect_waits=(1, 2, 3), sleep=slept)
    answer = await chat.send("hi", model=LONG)
    await anext(answer)
    relay.refuses = True
    relay.cut()
    with pytest.raises(ApiError) as raised:
        await answer.read()
    assert (raised.value.code, raised.value.status) == ("connection_lost", None)
    assert waited == [1, 2, 3]
    assert answer.text
    assert answer.finish is None
    with pytest.raises(ApiError) as raised:
        await client(key, url="http://localhost:1", reconnect_waits=()).send("hi")
    assert (raised.value.code, raised.value.status) == ("unreachable", None)


@pytest.mark.parametrize("key", ["chatkey_wrong", f"chatkey_{'0' * 49}"])
async def test_a_wrong_key_is_refused(client: ClientMaker, key: str) -> None:
    chat = client(key)
    for refused in (chat.threads(), chat.send("hi"), chat.models(), chat.resume(uuid4())):
        with pytest.raises(ApiError) as raised:
            await refused
        assert (raised.value.status, raised.value.code) == (401, "invalid_api_key")
        assert raised.value.request_id


async def test_a_key_does_what_its_scopes_allow(client: ClientMaker, ada: HttpUser) -> None:
    chat = client((await ada.new_key("chat"))[1])
    assert await (await chat.send("echo: yes")).read() == "yes"
    with pytest.raises(ApiError) as raised:
        await chat.threads()
    assert (raised.value.status, raised.value.code) == (403, "insufficient_scope")
    assert raised.value.message == "This API key lacks the scope threads:read."


async def test_a_revoked_key_ends_its_stream(client: ClientMaker, ada: HttpUser) -> None:
    key_id, key = await ada.new_key()
    chat = client(key, reconnect_waits=NOW)
    answer = await chat.send("hi", model=LONG)
    await anext(answer)
    await ada.revoke_key(key_id)
    with pytest.raises(ApiError) as raised:
        await answer.read()
    assert (raised.value.status, raised.value.code) == (401, "invalid_api_key")
    assert answer.finish is None
    stored = await client((await ada.new_key())[1]).messages(answer.thread_id or "")
    assert stored[-1].status == "revoked"
    assert stored[-1].text.startswith(answer.text)


async def test_what_is_another_users_is_missing(
    chat: AsyncChatClient, client: ClientMaker, ada: HttpUser
) -> None:
    answer = await chat.send("echo: hers")
    await answer.read()
    eve = await HttpUser(ada.url).sign_up()
    hers = client((await eve.new_key())[1])
    await eve.http.aclose()
    said: list[tuple[int | None, str, str]] = []
    for thread_id, stream_id in ((answer.thread_id, answer.stream_id), (uuid4(), uuid4())):
        assert thread_id is not None
        assert stream_id is not None
        for refused in (
            hers.thread(thread_id),
            hers.messages(thread_id),
            hers.rename_thread(thread_id, "mine"),
            hers.delete_thread(thread_id),
            hers.stop(thread_id),
            hers.send("hi", thread_id=thread_id),
            hers.regenerate(thread_id),
            hers.resume_thread(thread_id),
            hers.resume(stream_id),
        ):
            with pytest.raises(ApiError) as raised:
                await refused
            said.append((raised.value.status, raised.value.code, raised.value.message))
    assert set(said) == {(404, "not_found", "Not found.")}
    assert [message.text for message in await chat.messages(answer.thread_id or "")][1] == "hers"


@pytest.mark.parametrize("given", ["", "../threads", "a/b", "x" * 65, "é", "a b"])
async def test_what_can_be_no_id_is_not_sent(client: ClientMaker, given: str) -> None:
    chat = client("chatkey_wrong")
    for refused in (chat.thread, chat.delete_thread, chat.messages, chat.stop, chat.resume):
        with pytest.raises(ValueError, match="is no id"):
            await refused(given)


def test_a_key_is_in_no_error_and_no_repr() -> None:
    for key in ("", " ", "chatkey_a\nb", "chatkey_é"):
        with pytest.raises(ValueError, match="API key") as raised:
            ChatClient("http://localhost:3000", key)
        assert "chatkey_" not in str(raised.value)
    with ChatClient("http://localhost:3000", "chatkey_secret\n") as chat:
        assert "secret" not in repr(vars(chat))
    for url in ("localhost:3000", "ftp://localhost", ""):
        with pytest.raises(ValueError, match="URL"):
            ChatClient(url, "chatkey_secret")


async def test_a_response_of_something_else_is_an_error(client: ClientMaker) -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>")
        writer.close()

    server = await asyncio.start_server(page, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        chat = client("chatkey_x", url=f"http://localhost:{port}")
        for refused in (chat.threads(), chat.send("hi"), chat.models()):
            with pytest.raises(ApiError) as raised:
                await refused
            assert raised.value.code == "unexpected_response"


def test_the_client_loads_nothing_of_the_server(tmp_path: Path) -> None:
    program = (
        "import sys, chat_app.client; print(sorted(name for name in sys.modules "
        "if name.startswith('chat_app.') and not name.startswith('chat_app.client')), "
        "[name for name in ('reflex', 'sqlalchemy', 'starlette') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[] []"


def test_both_clients_have_the_same_methods() -> None:
    names = {name for name in dir(ChatClient) if not name.startswith("_")}
    others = {name for name in dir(AsyncChatClient) if not name.startswith("_")}
    assert others == (names - {"close"}) | {"aclose"}
