import asyncio
import contextlib
import gzip
import logging
import traceback
import tracemalloc
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import httpx2
import pytest

from chat_app.core.events import Event, Finish, ReasoningDelta, TextDelta, Usage
from chat_app.core.parts import NativeItem, text_part
from chat_app.llm import endpoint
from chat_app.llm import provider as provider_module
from chat_app.llm.base import (
    CallOptions,
    Effort,
    ModelInfo,
    ModelTimeouts,
    PromptMessage,
    ProviderError,
    text_message,
)
from chat_app.llm.provider import ProviderModel, fit_options
from testing.certificates import contexts
from testing.fake_provider import (
    API_KEY,
    DONE,
    STREAM_HEAD,
    Answer,
    Request,
    SteppedTime,
    event,
    finish,
    held_open,
    refused,
    serve,
    streamed,
    text,
)

ModelOf = Callable[..., ProviderModel]
QUESTION = [text_message("system", "be kind"), text_message("user", "héllo 😀")]
SECRET = "provider-text-canary-81c2"
SAFETY = 30  # seconds; no test waits for it, it only ends one that would hang
IMPATIENT = ModelTimeouts(first_token=1, idle=0.05)


async def collect(model: ProviderModel, *, max_tokens: int | None = None) -> list[Event]:
    async with asyncio.timeout(SAFETY):
        return [delta async for delta in model.stream(QUESTION, CallOptions(max_tokens=max_tokens))]


async def shown_and_error(model: ProviderModel) -> tuple[str, ProviderError]:
    shown: list[str] = []

    async def read() -> None:
        async for delta in model.stream(QUESTION):
            assert isinstance(delta, TextDelta)
            shown.append(delta.text)

    with pytest.raises(ProviderError) as caught:
        await asyncio.wait_for(read(), SAFETY)
    return "".join(shown), caught.value


async def has_gone(request: Request) -> bool:
    """Wait until the server has seen the client leave."""
    return await asyncio.wait_for(request.gone.wait(), SAFETY)


async def test_an_answer_arrives_in_order_with_its_usage(model_of: ModelOf) -> None:
    answer = streamed(
        event({"choices": [{"delta": {"role": "assistant", "content": None}}]}),
        event({"choices": [{"delta": {"reasoning_content": "hm", "content": "Hel"}}], "new": {}}),
        b": ping\n\n",
        text("lo 😀"),
        finish(),
        event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}),
        DONE,
    )
    async with serve(answer) as provider:
        assert await collect(model_of(provider.url)) == [
            ReasoningDelta("hm"),
            TextDelta("Hel"),
            TextDelta("lo 😀"),
            Usage(7, 2),
            Finish("stop"),
        ]


def failing(*pieces: bytes, status: int = 400, head: bytes = b"") -> Answer:
    """An error response whose body goes on for as long as it is read."""

    async def answer(request: Request) -> None:
        first = f"HTTP/1.1 {status} No\r\nconnection: close\r\n".encode()
        await request.send(first + head + b"\r\n", *pieces)
        with contextlib.suppress(ConnectionError):
            while True:
                await request.send(b"x" * 65_536)
                SENT.append(65_536)
        request.gone.set()

    return answer


SENT: list[int] = []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"error": {"message": "This model\'s maximum context length is 8 tokens"', "context"),
        (b"<html>", "request_rejected"),
    ],
)
async def test_of_an_endless_error_only_the_beginning_is_read(
    model_of: ModelOf, body: bytes, code: str
) -> None:
    SENT.clear()
    async with serve(failing(body)) as provider:
        _, error = await shown_and_error(model_of(provider.url))
        assert error.message_code.startswith(code)
        assert await has_gone(provider.requests[0]), "the connection is closed"
    assert sum(SENT) < 20_000_000, "what the buffers on the way hold"


async def test_an_error_that_never_ends_is_told_by_its_status(
    model_of: ModelOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_ERROR_SECONDS", 0.05)
    head = b"HTTP/1.1 429 No\r\ncontent-length: 100\r\nretry-after: 7\r\n\r\n"
    async with serve(held_open(head, b'{"error"')) as provider:
        _, error = await shown_and_error(model_of(provider.url))
        assert (error.message_code, error.params["retry_after"]) == ("rate_limited", 7)
        assert await has_gone(provider.requests[0])


async def test_a_compressed_error_is_not_expanded(model_of: ModelOf) -> None:
    bomb = gzip.compress(b'{"error": "' + b"x" * 50_000_000)
    tracemalloc.start()
    try:
        async with serve(failing(bomb, head=b"content-encoding: gzip\r\n")) as provider:
            _, error = await shown_and_error(model_of(provider.url))
            assert error.message_code == "request_rejected"
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


async def test_the_request_says_what_it_must_and_nothing_about_this_machine(
    model_of: ModelOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-someone")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-someone")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "authorization: Bearer other\nx-secret: 1")
    async with serve(streamed(text("a"), finish(), DONE)) as provider:
        await collect(model_of(provider.url), max_tokens=9)
    (request,) = provider.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.body == {
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "héllo 😀"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 9,
    }
    assert request.headers["authorization"] == f"Bearer {API_KEY}"
    assert set(request.headers) <= {
        "host",
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "user-agent",
        "x-stainless-raw-response",
    }


async def test_a_provider_is_told_nothing_of_the_answer_before(model_of: ModelOf) -> None:
    body = text("a") + finish() + DONE
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nset-cookie: who=ada\r\n"

    async def keep_alive(request: Request) -> None:
        await request.send(head, b"content-length: %d\r\n\r\n" % len(body), body)
        await request.wait_for_disconnect()

    async with serve(keep_alive) as provider:
        model = model_of(provider.url.replace("127.0.0.1", "localhost"))  # cookies need a name
        for _ in range(2):
            await collect(model)
        first, second = provider.requests
        assert await has_gone(first)
        assert first.writer is not second.writer
    assert "cookie" not in second.headers


async def test_without_a_key_none_is_sent(
    model_of: ModelOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-meant-for-another-server")
    async with serve(streamed(text("a"), finish(), DONE)) as provider:
        await collect(model_of(provider.url, key=""))
    assert "authorization" not in provider.requests[0].headers


async def test_a_lone_surrogate_in_a_turn_is_repaired(model_of: ModelOf) -> None:
    async with serve(streamed(text("a"), finish(), DONE)) as provider:
        async for _ in model_of(provider.url).stream([text_message("user", "a\ud83d")]):
            pass
    assert provider.requests[0].body["messages"][0]["content"] == "a\ufffd"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_chunks_may_be_cut_anywhere(model_of: ModelOf, size: int) -> None:
    body = text("né😀") + text("二").replace(b"\n", b"\r\n") + finish() + DONE
    body = body.replace(b"\\ud83d\\ude00", "😀".encode())
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    async with serve(streamed(*pieces)) as provider:
        assert await collect(model_of(provider.url)) == [
            TextDelta("né😀"),
            TextDelta("二"),
            Finish("stop"),
        ]


@pytest.mark.parametrize(
    "pieces",
    [
        (text("a"), finish()),
        (text("a"), finish(), DONE.strip()),
        (text("a"), finish(), b"data: {nonsense"),
    ],
)
async def test_a_finish_reason_is_enough_to_be_complete(
    model_of: ModelOf, pieces: tuple[bytes, ...]
) -> None:
    async with serve(streamed(*pieces)) as provider:
        assert await collect(model_of(provider.url)) == [TextDelta("a"), Finish("stop")]


async def test_done_without_a_finish_reason_is_complete(model_of: ModelOf) -> None:
    async with serve(streamed(text("a"), DONE)) as provider:
        assert await collect(model_of(provider.url)) == [TextDelta("a"), Finish("other")]


@pytest.mark.parametrize(("idle", "after_finish"), [(0.05, 15), (SAFETY * 2, 0.05)])
async def test_a_server_that_never_closes_after_the_finish_does_not_hold_the_answer(
    model_of: ModelOf, monkeypatch: pytest.MonkeyPatch, idle: float, after_finish: float
) -> None:
    monkeypatch.setattr(provider_module, "_AFTER_FINISH_SECONDS", after_finish)
    async with serve(held_open(STREAM_HEAD, text("a"), finish())) as provider:
        model = model_of(provider.url, ModelTimeouts(30, idle))
        assert await collect(model) == [TextDelta("a"), Finish("stop")]
        assert await has_gone(provider.requests[0])


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (refused(401), "refused", "rejected this server's API key"),
        (refused(403), "refused", "rejected this server's API key"),
        (refused(404), "refused", "doesn't offer"),
        (refused(402), "refused", "used up"),
        (refused(400), "refused", "rejected the request"),
        (refused(400, {"error": {"code": "context_length_exceeded"}}), "refused", "too long"),
        (refused(413), "refused", "too long"),
        (refused(429), "limited", "again in a moment"),
        (refused(429, retry_after="20"), "limited", "again in 20 seconds"),
        (refused(429, retry_after="0.2"), "limited", "again in 1 second."),
        (refused(429, retry_after="86400"), "limited", "again in 24 hours."),
        (
            refused(
                429,
                retry_after="Wed, 21 Oct 2037 07:28:00 GMT",
                date="Sun, 18 Oct 2037 07:28:00 GMT",
            ),
            "limited",
            "again in 3 days.",
        ),
        (refused(429, retry_after="Wed, 21 Oct 2020 07:28:00 GMT"), "limited", "in a moment"),
        (refused(200, {"error": {"message": "Slow down", "code": 429}}), "limited", "is busy"),
        (refused(400, {"object": "error", "message": "prompt is too long"}), "refused", "too long"),
        (refused(400, b"the request exceeds the context window"), "refused", "too long"),
        (refused(429, {"error": {"code": "insufficient_quota"}}), "refused", "used up"),
        (refused(500), "unreachable", "returned an error"),
        (refused(503), "limited", "busy"),
        (refused(504), "stalled", "didn't start"),
    ],
)
async def test_a_refusal_is_one_sentence(
    model_of: ModelOf, answer: Answer, code: str, says: str
) -> None:
    async with serve(answer) as provider:
        shown, error = await shown_and_error(model_of(provider.url))
    assert (shown, error.code) == ("", code)
    assert says in error.message
    assert "iny" in error.message
    assert len(provider.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
@pytest.mark.parametrize("json_body", [True, False])
async def test_neither_key_nor_the_providers_text_reach_sentence_log_or_traceback(
    model_of: ModelOf, caplog: pytest.LogCaptureFixture, status: int, json_body: bool
) -> None:
    body = (
        {"error": {"message": f"{SECRET} {API_KEY}", "code": SECRET}}
        if json_body
        else SECRET.encode()
    )
    caplog.set_level(logging.DEBUG)
    async with serve(refused(status, body)) as provider:
        _, error = await shown_and_error(model_of(provider.url))
    told = error.message + caplog.text + "".join(traceback.format_exception(error))
    assert SECRET not in told
    assert API_KEY not in told
    assert "héllo" not in told


async def test_an_answer_leaves_no_content_in_the_log(
    model_of: ModelOf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serve(streamed(text(SECRET), finish(), DONE)) as provider:
        await collect(model_of(provider.url))
    assert not [word for word in (SECRET, API_KEY, "héllo", provider.origin) if word in caplog.text]


async def test_a_redirect_is_not_followed(model_of: ModelOf) -> None:
    async with serve(streamed(text("stolen"), DONE)) as other:
        answer = refused(307, location=other.url + "/chat/completions")
        async with serve(answer) as provider:
            _, error = await shown_and_error(model_of(provider.url))
    assert error.code == "refused"
    assert "moved" in error.message
    assert other.requests == []


async def test_a_proxy_of_the_environment_is_not_used(
    model_of: ModelOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        serve(streamed(text("proxied"), DONE)) as proxy,
        serve(streamed(text("direct"), DONE)) as provider,
    ):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.origin)
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("no_proxy", "")
        assert (await collect(model_of(provider.url)))[0] == TextDelta("direct")
    assert proxy.requests == []


async def test_a_server_that_is_not_there_cannot_be_reached(model_of: ModelOf) -> None:
    async with serve(streamed()) as provider:
        url = provider.url
    _, error = await shown_and_error(model_of(url))
    assert error.code == "unreachable"
    assert "can't be reached" in error.message


async def test_a_server_that_hangs_up_before_it_answers_cannot_be_reached(
    model_of: ModelOf,
) -> None:
    async def hang_up(request: Request) -> None:
        request.writer.transport.abort()

    async with serve(hang_up) as provider:
        _, error = await shown_and_error(model_of(provider.url))
    assert error.code == "unreachable"
    assert len(provider.requests) == 1  # a question is not asked twice


@pytest.mark.parametrize(
    "sent",
    [
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-long: " + b"x" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_a_server_that_does_not_speak_http_cannot_be_reached(
    model_of: ModelOf, sent: bytes
) -> None:
    async with serve(held_open(sent)) as provider:
        _, error = await shown_and_error(model_of(provider.url))
    assert error.code == "unreachable"


async def test_a_server_is_known_by_the_certificates_that_are_trusted_everywhere_else(
    model_of: ModelOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, knows_it = contexts(tmp_path)
    async with serve(streamed(text("a"), finish(), DONE), tls=server) as provider:
        _, error = await shown_and_error(model_of(provider.url))
        assert (error.code, provider.requests) == ("unreachable", [])
        monkeypatch.setattr(httpx2, "create_ssl_context", lambda **_: knows_it)
        assert await collect(model_of(provider.url)) == [TextDelta("a"), Finish("stop")]


@pytest.mark.parametrize(
    "sent", [(), (STREAM_HEAD,), (STREAM_HEAD, event({"choices": [{"delta": {"role": "x"}}]}))]
)
async def test_a_model_that_does_not_begin_has_stalled(
    model_of: ModelOf, sent: tuple[bytes, ...]
) -> None:
    async with serve(held_open(*sent)) as provider:
        _, error = await shown_and_error(model_of(provider.url, IMPATIENT))
        assert error.code == "stalled"
        assert "didn't start" in error.message
        assert await has_gone(provider.requests[0])


async def test_a_model_that_stops_in_mid_answer_has_stalled_and_its_text_stays(
    model_of: ModelOf,
) -> None:
    async with serve(held_open(STREAM_HEAD, text("half"))) as provider:
        model = model_of(provider.url, ModelTimeouts(first_token=30, idle=0.05))
        shown, error = await shown_and_error(model)
        assert (shown, error.code) == ("half", "stalled")
        assert "in the middle" in error.message
        assert await has_gone(provider.requests[0])


async def test_pings_are_no_answer(model_of: ModelOf) -> None:
    async def ping(request: Request) -> None:
        await request.send(STREAM_HEAD)
        while not request.writer.is_closing():
            await request.send(b": ping\n\n")
            await asyncio.sleep(0)

    async with serve(ping) as provider:
        _, error = await shown_and_error(model_of(provider.url, IMPATIENT))
    assert error.code == "stalled"


@pytest.mark.parametrize(
    "rest",
    [b"", b'data: {"choices":[{"delta"', b": ping\n\n"],
)
async def test_a_stream_that_ends_half_way_broke_off(model_of: ModelOf, rest: bytes) -> None:
    async with serve(streamed(text("half"), rest)) as provider:
        shown, error = await shown_and_error(model_of(provider.url))
    assert (shown, error.code) == ("half", "broken_off")


async def test_a_connection_lost_in_mid_answer_broke_off(model_of: ModelOf) -> None:
    chunk = text("half")
    head = STREAM_HEAD.replace(b"connection: close", b"transfer-encoding: chunked")

    async def answer(request: Request) -> None:
        await request.send(head, b"%x\r\n" % len(chunk), chunk, b"\r\n", b"ff\r\nda")

    async with serve(answer) as provider:
        shown, error = await shown_and_error(model_of(provider.url))
    assert (shown, error.code) == ("half", "broken_off")


async def test_text_before_an_error_in_the_same_packet_is_kept(model_of: ModelOf) -> None:
    answer = streamed(text("half") + event({"error": {"message": SECRET, "code": 500}}))
    async with serve(answer) as provider:
        shown, error = await shown_and_error(model_of(provider.url))
    assert (shown, error.code) == ("half", "broken_off")
    assert SECRET not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("wrong", [b"data: {oops\n\n", b"x" * (1 << 21)])
async def test_what_is_no_event_is_malformed(model_of: ModelOf, wrong: bytes) -> None:
    async with serve(streamed(text("half"), wrong)) as provider:
        shown, error = await shown_and_error(model_of(provider.url))
    assert (shown, error.code) == ("half", "malformed")


async def test_a_web_page_instead_of_a_stream_is_malformed(model_of: ModelOf) -> None:
    async with serve(refused(200, b"<html>\n<p>hello\n")) as provider:
        _, error = await shown_and_error(model_of(provider.url))
    assert error.code == "malformed"


async def test_a_server_that_does_not_count_tokens_is_asked_without(model_of: ModelOf) -> None:
    async def answer(request: Request) -> None:
        if "stream_options" in request.body:
            await refused(400, {"error": {"message": "unknown field stream_options"}})(request)
        else:
            await streamed(text("a"), finish(), DONE)(request)

    async with serve(answer) as provider:
        model = model_of(provider.url)
        assert await collect(model) == [TextDelta("a"), Finish("stop")]
        assert len(provider.requests) == 2
        await collect(model)
    assert len(provider.requests) == 3


async def test_a_server_with_the_newer_name_for_the_limit_gets_that(model_of: ModelOf) -> None:
    async def answer(request: Request) -> None:
        if "max_tokens" in request.body:
            await refused(400, {"error": {"message": "use 'max_completion_tokens'"}})(request)
        else:
            await streamed(text("a"), finish(), DONE)(request)

    async with serve(answer) as provider:
        await collect(model_of(provider.url), max_tokens=9)
    assert provider.requests[1].body["max_completion_tokens"] == 9


async def test_a_server_that_refuses_everything_is_asked_once_per_reason(model_of: ModelOf) -> None:
    answer = refused(400, {"error": {"message": "stream_options max_completion_tokens"}})
    async with serve(answer) as provider:
        with pytest.raises(ProviderError):
            await collect(model_of(provider.url), max_tokens=9)
    assert len(provider.requests) == 3


@pytest.mark.parametrize(
    "body",
    [
        {"object": "error", "message": "System role not supported", "code": 400},
        {"error": {"message": "Developer instruction is not enabled for models/gemma-3"}},
        {"message": "Conversation roles must alternate user/assistant/user/assistant/..."},
        {"error": {"message": "'messages[0].role' does not support 'system' with this model."}},
        {"detail": [{"msg": "Input should be 'user' or 'assistant'"}]},
    ],
)
@pytest.mark.parametrize("status", [400, 500])
async def test_a_server_without_a_system_role_is_asked_without(
    model_of: ModelOf, body: object, status: int
) -> None:
    async def answer(request: Request) -> None:
        if request.body["messages"][0]["role"] == "system":
            await refused(status, body)(request)
        else:
            await streamed(text("a"), finish(), DONE)(request)

    async with serve(answer) as provider:
        model = model_of(provider.url)
        assert await collect(model) == [TextDelta("a"), Finish("stop")]
        assert provider.requests[1].body["messages"] == [
            {"role": "user", "content": "be kind\n\nhéllo 😀"}
        ]
        await collect(model)
        assert len(provider.requests) == 3, "asked once, then remembered"
        await collect(model_of(provider.url))
        assert len(provider.requests) == 5, "and only for this model"


async def test_a_server_that_refuses_the_folded_system_role_too_is_not_asked_for_ever(
    model_of: ModelOf,
) -> None:
    async with serve(refused(400, {"message": "System role not supported"})) as provider:
        _, error = await shown_and_error(model_of(provider.url))
    assert error.message_code == "request_rejected"
    assert len(provider.requests) == 2


async def test_two_turns_of_one_role_are_never_sent_in_a_row(model_of: ModelOf) -> None:
    prompt = [
        text_message("system", "be kind"),
        text_message("system", "be short"),
        text_message("user", "one"),
        text_message("assistant", " \n"),
        text_message("user", "two"),
        text_message("user", "three"),
        text_message("assistant", "ok"),
        text_message("assistant", "so"),
        text_message("user", "four"),
    ]
    async with serve(streamed(text("a"), finish(), DONE)) as provider:
        async for _ in model_of(provider.url).stream(prompt):
            pass
    sent = [(turn["role"], turn["content"]) for turn in provider.requests[0].body["messages"]]
    assert sent == [
        ("system", "be kind\n\nbe short"),
        ("user", "one"),
        ("assistant", "[No answer]"),
        ("user", "two\n\nthree"),
        ("assistant", "ok\n\nso"),
        ("user", "four"),
    ]


async def test_a_json_body_in_place_of_a_stream_is_the_answer(model_of: ModelOf) -> None:
    message = {"role": "assistant", "content": "Hello there."}
    body = {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    answer = refused(200, body, content_type="application/json")
    async with serve(answer) as provider:
        assert await collect(model_of(provider.url)) == [
            TextDelta("Hello there."),
            Usage(1, 2),
            Finish("stop"),
        ]


async def test_text_after_an_early_finish_reason_counts_while_the_stream_is_open(
    model_of: ModelOf,
) -> None:
    may_go_on = asyncio.Event()

    async def answer(request: Request) -> None:
        await request.send(STREAM_HEAD, text("One ", finish_reason="stop"))
        await may_go_on.wait()
        await request.send(text("two.", finish_reason="stop"), DONE)

    async with (
        asyncio.timeout(SAFETY),
        serve(answer) as provider,
        aclosing(model_of(provider.url).stream(QUESTION)) as events,
    ):
        assert await anext(events) == TextDelta("One ")
        may_go_on.set()
        assert [event async for event in events] == [TextDelta("two."), Finish("stop")]


async def test_each_chunk_after_an_early_finish_reason_restarts_the_wait_for_the_next(
    model_of: ModelOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = SteppedTime(monkeypatch)
    monkeypatch.setattr(provider_module, "_AFTER_FINISH_SECONDS", 1_000)

    async def answer(request: Request) -> None:
        await request.send(STREAM_HEAD, text("One ", finish_reason="stop"))
        usage = {"prompt_tokens": 7, "completion_tokens": 2}
        for chunk in (event({"choices": [], "usage": usage}), text(""), text("two.")):
            await time.step(600)
            await request.send(chunk)
        await time.step(1_200)
        with contextlib.suppress(ConnectionError):
            await request.send(text("Too late."), DONE)

    async with serve(answer) as provider:
        model = model_of(provider.url, ModelTimeouts(9_000, 9_000))
        shown = [delta async for delta in model.stream(QUESTION)]
    assert shown == [TextDelta("One "), TextDelta("two."), Usage(7, 2), Finish("stop")]


def test_a_chunk_after_an_early_finish_reason_is_waited_for_15_seconds() -> None:
    assert provider_module._AFTER_FINISH_SECONDS == 15


async def test_keepalives_after_the_finish_do_not_hold_the_answer(model_of: ModelOf) -> None:
    async def answer(request: Request) -> None:
        await request.send(STREAM_HEAD, text("a"), finish())
        while not request.writer.is_closing():
            await request.send(b": ping\n\n", b"data: ping\n\n", event({}))
            await asyncio.sleep(0)

    async with serve(answer) as provider:
        model = model_of(provider.url, ModelTimeouts(30, 0.05))
        assert await collect(model) == [TextDelta("a"), Finish("stop")]


async def test_what_waits_for_a_tag_is_kept_when_the_model_stalls(model_of: ModelOf) -> None:
    async with serve(held_open(STREAM_HEAD, text("half <thi"))) as provider:
        model = model_of(provider.url, ModelTimeouts(first_token=30, idle=0.05))
        shown, error = await shown_and_error(model)
    assert (shown, error.code) == ("half <thi", "stalled")


async def test_closing_the_answer_closes_the_connection(model_of: ModelOf) -> None:
    async with serve(held_open(STREAM_HEAD, text("a"))) as provider:
        async with aclosing(model_of(provider.url).stream(QUESTION)) as answer:
            assert await anext(answer) == TextDelta("a")
            assert not provider.requests[0].gone.is_set()
        assert await has_gone(provider.requests[0])


@pytest.mark.parametrize("sent", [(), (STREAM_HEAD,), (STREAM_HEAD, text("a"))])
async def test_cancelling_the_reader_closes_the_connection(
    model_of: ModelOf, sent: tuple[bytes, ...]
) -> None:
    async with serve(held_open(*sent)) as provider:
        task = asyncio.create_task(collect(model_of(provider.url)))
        await provider.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await has_gone(provider.requests[0])


async def test_many_answers_run_at_the_same_time(model_of: ModelOf) -> None:
    together = asyncio.Barrier(150)

    async def answer(request: Request) -> None:
        await request.send(STREAM_HEAD, text("a"))
        await together.wait()
        await request.send(finish(), DONE)

    async with serve(answer) as provider:
        model = model_of(provider.url)
        answers = await asyncio.gather(*(collect(model) for _ in range(150)))
    assert answers == [[TextDelta("a"), Finish("stop")]] * 150


async def test_what_a_refusal_says_of_one_conversation_is_not_remembered(model_of: ModelOf) -> None:
    details = [{"type": "reasoning.encrypted", "data": "x"}]
    item: NativeItem = {
        "at": 0,
        "made_by": "tiny",
        "item": {"type": "reasoning_details", "details": details},
    }
    asked = [
        text_message("user", "a"),
        PromptMessage("assistant", (text_part("b"),), native=(item,)),
        text_message("user", "c"),
    ]

    async def answer(request: Request) -> None:
        if "reasoning_details" in str(request.body):
            message = "messages.1.content.0: Invalid `signature` in `thinking` block"
            await refused(400, {"error": {"message": message}})(request)
        else:
            await streamed(text("a"), finish(), DONE)(request)

    async with serve(answer) as provider:
        model = model_of(provider.url)
        for _ in range(2):
            async for _ in model.stream(asked):
                pass
    has_details = ["reasoning_details" in str(each.body) for each in provider.requests]
    assert has_details == [True, False, True, False]


@pytest.mark.parametrize(
    ("effort", "efforts", "sent"),
    [
        ("high", (), None),
        ("high", ("low", "high"), "high"),
        ("max", ("low", "high"), "high"),
        ("none", ("minimal", "low"), "minimal"),
        (None, ("low",), None),
    ],
)
def test_a_model_is_asked_for_what_it_can(
    effort: Effort | None, efforts: tuple[Effort, ...], sent: Effort | None
) -> None:
    info = ModelInfo(max_output=50, efforts=efforts, temperature=False)
    options = fit_options(CallOptions(max_tokens=100, temperature=1.0, effort=effort), info)
    assert options == CallOptions(max_tokens=50, effort=sent)
