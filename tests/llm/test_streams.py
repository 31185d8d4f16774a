"""What people read of the streams that servers send: bodies of real shape, from their bytes on."""

import json
from itertools import chain
from pathlib import Path
from typing import SupportsIndex

import pytest

from chat_app.core.errors import message_of
from chat_app.core.events import Event, Finish, fold
from chat_app.core.parts import text_of
from chat_app.llm.base import ProviderError
from chat_app.llm.dialects.chat_completion_stream import ChatCompletionDecoder
from chat_app.llm.reasoning_tags import ReasoningTags
from chat_app.llm.sse import SSEParser

BODIES = Path(__file__).parent / "bodies"


def read(body: bytes, size: int = 1 << 20) -> tuple[list[Event], ProviderError | None]:
    """The events of a body that comes in pieces of a size, and the error that ended it."""
    parser, decoder, events = SSEParser(), ChatCompletionDecoder("Tiny"), list[Event]()
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    try:
        for sent in chain.from_iterable(map(parser.feed, pieces)):
            events += decoder.feed(sent)
        for event in decoder.end(parser.end()):
            events.append(event)
    except ProviderError as error:
        return events, error
    return events, None


def parts_of(body: bytes, size: int = 1 << 20) -> tuple[str, str, str]:
    """The reasoning, the text and the end: a finish reason or the code of a message."""
    events, error = read(body, size)
    folded = fold(events)
    reasoning = "".join(part["text"] for part in folded.parts if part["type"] == "reasoning")
    end = error.message_code if error else folded.finish and folded.finish.reason
    return reasoning.strip(), text_of(folded.parts), end or ""


def sse(*chunks: object) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)


def choice(**fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, **fields}]}


def piece(content: object, **fields: object) -> dict[str, object]:
    return choice(delta={"content": content}, **fields)


STOP = choice(delta={}, finish_reason="stop")
PARTIAL = piece("A partial answ")
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("content-parts", ("", "Hello there.", "stop")),
        ("content-parts-mixed", ("Think.", "Hello there.", "stop")),
        ("message-field", ("", "Hello there.", "stop")),
        ("bare-data", ("", "Hello there.", "stop")),
        ("empty-data", ("", "Hello there.", "stop")),
        ("data-comment", ("", "Hello there.", "stop")),
        ("ping-event", ("", "Hello there.", "stop")),
        ("ping-word", ("", "Hello there.", "stop")),
        ("single-newline", ("", "Hello there.", "stop")),
        ("single-newline-mixed", ("", "Hello big there.", "stop")),
        ("finish-first-gap", ("", "One two three.", "stop")),
        ("think-inline", ("The user wants 2+2.", "The answer is **4**.", "stop")),
        ("think-noopen", ("The user wants 2+2.", "The answer is **4**.", "stop")),
        ("length", ("", "A long answer that was cut in the mid", "length")),
        ("finish-uppercase", ("", "A long answer that was cut in the mid", "length")),
        ("content-filter", ("", "A partial answ", "content-filter")),
        ("reasoning-length", ("Let me think about that. It is fo", "", "length")),
        ("finish-error", ("", "A partial answ", "error_in_stream")),
        ("native-error", ("", "A partial answ", "error_in_stream")),
        ("choice-error", ("", "A partial answ", "error_in_stream")),
        ("error-prefix", ("", "A partial answ", "error_in_stream")),
        ("error-detail", ("", "A partial answ", "error_in_stream")),
        ("error-event", ("", "A partial answ", "rate_limited")),
        ("error-prefix-first", ("", "", "context_too_long")),
    ],
)
def test_a_body_is_read_as_people_expect(
    name: str, size: int, expected: tuple[str, str, str]
) -> None:
    assert parts_of((BODIES / f"{name}.sse").read_bytes(), size) == expected


@pytest.mark.parametrize(
    "content",
    [
        "Hello",
        ["Hel", "lo"],
        [{"type": "output_text", "text": "Hello"}],
        [{"text": "Hello"}],
        {"type": "text", "text": "Hello"},
        [{"type": "text", "text": {"value": "Hello"}}],
        [{"type": "text", "text": "Hello"}, {"type": "image_url", "image_url": {"url": "x"}}, 3],
    ],
)
@pytest.mark.parametrize("field", ["delta", "message"])
def test_text_is_read_in_whatever_shape_it_comes(field: str, content: object) -> None:
    body = sse(choice(**{field: {"content": content}}), STOP) + DONE
    assert parts_of(body) == ("", "Hello", "stop")


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "Hm."},
        {"reasoning": "Hm."},
        {"thinking": "Hm."},
        {"reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
        {"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}]},
        {"content": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}]},
    ],
)
def test_reasoning_is_read_in_whatever_shape_it_comes(delta: object) -> None:
    assert parts_of(sse(choice(delta=delta), piece("Yes."), STOP) + DONE) == ("Hm.", "Yes.", "stop")


def test_an_answer_is_not_said_twice_by_a_last_chunk_that_repeats_it() -> None:
    whole = choice(message={"role": "assistant", "content": "Hello"}, finish_reason="stop")
    assert parts_of(sse(piece("Hel"), piece("lo"), whole)) == ("", "Hello", "stop")


@pytest.mark.parametrize(
    "again", [{}, {"reasoning_content": "Hm."}, {"content": "<think>Hm.</think>Yes."}]
)
def test_a_whole_answer_after_streamed_reasoning_is_kept(again: dict[str, str]) -> None:
    whole = choice(message={"content": "Yes.", **again}, finish_reason="stop")
    body = sse(choice(delta={"reasoning_content": "Hm."}), whole) + DONE
    assert parts_of(body) == ("Hm.", "Yes.", "stop")


WHOLE = choice(message={"role": "assistant", "content": "Hello there."}, finish_reason="stop")


@pytest.mark.parametrize("size", [1, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("end", ["", "\n"])
def test_one_json_body_is_an_answer(indent: int | None, end: str, size: int) -> None:
    body = json.dumps(WHOLE, indent=indent) + end
    assert parts_of(body.encode(), size) == ("", "Hello there.", "stop")


def test_a_json_body_without_a_finish_reason_is_a_whole_answer() -> None:
    body = json.dumps(choice(message={"content": "Hello"})).encode()
    assert parts_of(body) == ("", "Hello", "other")


def test_half_a_json_body_was_cut_off() -> None:
    assert parts_of(json.dumps(WHOLE).encode()[:-20]) == ("", "", "cut_off")


def test_chunks_without_a_field_name_are_read() -> None:
    body = b"\n".join(json.dumps(chunk).encode() for chunk in (piece("Hel"), piece("lo"), STOP))
    assert parts_of(body) == ("", "Hello", "stop")


@pytest.mark.parametrize(
    "keepalive",
    [
        b": OPENROUTER PROCESSING\n\n",
        b":\n\n",
        b": ping - 2026-11-28 15:00:00\n\n",
        b"data: : OPENROUTER PROCESSING\n\n",
        b"data:\n\n",
        b"data\n\n",
        b"data: \n\n",
        b"data: ping\n\n",
        b"data: ping\n",
        b"data: [PING]\n\n",
        b"data: keep-alive\n\n",
        b"data: {}\n\n",
        b"data: []\n\n",
        b"data: null\n\n",
        b"data: 1764340000\n\n",
        b'data: "ping"\n\n',
        b'data: {"type": "ping"}\n\n',
        b'data: {"status": "processing", "message": "Still working."}\n\n',
        b'data: {"code": 0, "message": "ok"}\n\n',
        b'data: {"choices": []}\n\n',
        b'data: {"choices": null, "error": null}\n\n',
        b"event: ping\ndata: {}\n\n",
        b"event: ping\n\n",
        b"event: heartbeat\ndata: 2026-11-28T15:00:00Z\n\n",
        b"id: 7\n\n",
        b"retry: 3000\n\n",
        b"\n\n\n",
    ],
)
def test_a_keepalive_is_no_part_of_an_answer(keepalive: bytes) -> None:
    body = keepalive + sse(piece("Hello ")) + keepalive + sse(piece("there."), STOP) + keepalive
    assert parts_of(body + DONE) == ("", "Hello there.", "stop")
    assert parts_of(keepalive)[2] == "malformed_response", "nothing else is no answer"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (b'data: {"error": {"message": "boom", "code": 500}}\n\n', "error_in_stream"),
        (b'data: {"error": "boom"}\n\n', "error_in_stream"),
        (b'data: [{"error": {"code": 503, "status": "UNAVAILABLE"}}]\n\n', "rate_limited"),
        (b'data: {"object": "error", "message": "boom", "code": 400}\n\n', "error_in_stream"),
        (b'data: {"type": "error", "error": {"type": "overloaded_error"}}\n\n', "rate_limited"),
        (b'data: {"detail": "Internal Server Error"}\n\n', "error_in_stream"),
        (b'data: {"detail": [{"msg": "boom"}]}\n\n', "error_in_stream"),
        (b'data: {"errors": [{"message": "boom"}]}\n\n', "error_in_stream"),
        (b'data: {"code": 500, "msg": "boom"}\n\n', "error_in_stream"),
        (b'data: {"code": "Throttling", "message": "Rate limit exceeded."}\n\n', "rate_limited"),
        (b'data: {"base_resp": {"status_code": 1004, "status_msg": "x"}}\n\n', "error_in_stream"),
        (b'event: error\ndata: {"message": "boom"}\n\n', "error_in_stream"),
        (b"event: error\ndata: boom\n\n", "error_in_stream"),
        (b"event: error\n\n", "error_in_stream"),
        (b'data: {"message": "boom"}\nevent: error\n\n', "error_in_stream"),
        (b'error: {"code": 500, "message": "slot unavailable"}\n\n', "error_in_stream"),
        (b"error: boom\n\n", "error_in_stream"),
        (b'{"error": {"message": "boom"}}\n', "error_in_stream"),
        (b"data: Internal Server Error\n\n", "error_in_stream"),
        (b"data: [ERROR] upstream timed out\n\n", "error_in_stream"),
        (
            b'data: {"error": {"object": "error", "code": 400, "message": "Requested token '
            b"count exceeds the model's maximum context length of 8192\"}}\n\n",
            "context_too_long",
        ),
        (b'data: {"error": {"code": "content_filter"}}\n\n', "answer_withheld"),
        (b'data: {"error": {"code": 401}}\n\n', "api_key_rejected"),
        (b'data: {"error": {"code": 402}}\n\n', "quota_exhausted"),
        (sse(choice(delta={}, error={"code": 502, "message": "boom"})), "error_in_stream"),
        (
            sse(choice(delta={}, finish_reason="stop", native_finish_reason="error")),
            "error_in_stream",
        ),
        (sse({**choice(delta={"content": ""}), "error": {"code": 429}}), "rate_limited"),
    ],
)
def test_an_error_in_a_stream_is_found_wherever_it_stands(error: bytes, code: str) -> None:
    assert parts_of(sse(PARTIAL) + error + sse(STOP) + DONE) == ("", "A partial answ", code)
    first = {"error_in_stream": "provider_error"}.get(code, code)
    assert parts_of(error + DONE) == ("", "", first), "nothing came, so it was not in the middle"


def test_text_in_the_chunk_of_an_error_is_kept() -> None:
    body = sse({**piece("half"), "error": {"message": "boom"}})
    assert parts_of(body) == ("", "half", "error_in_stream")


@pytest.mark.parametrize(
    ("said", "native", "meant"),
    [
        ("MAX_TOKENS", None, "length"),
        ("FINISH_REASON_MAX_TOKENS", None, "length"),
        ("maxTokens", None, "length"),
        ("max_output_tokens", None, "length"),
        ("model_length", None, "length"),
        ("stop", "MAX_TOKENS", "length"),
        ("STOP", None, "stop"),
        ("end_turn", None, "stop"),
        ("stop", "completed", "stop"),
        ("stop", "tool_use", "stop"),
        ("SAFETY", None, "content-filter"),
        ("PROHIBITED_CONTENT", None, "content-filter"),
        ("RECITATION", None, "content-filter"),
        ("refusal", None, "content-filter"),
        ("sensitive", None, "content-filter"),
        ("stop", "SAFETY", "content-filter"),
        ("content_filter", "completed", "content-filter"),
        ("ERROR", None, "error_in_stream"),
        ("network_error", None, "error_in_stream"),
        ("insufficient_system_resource", None, "error_in_stream"),
        ("MALFORMED_FUNCTION_CALL", None, "error_in_stream"),
        ("abort", None, "error_in_stream"),
        ("unheard-of", None, "other"),
        (["stop"], None, "other"),
    ],
)
def test_why_an_answer_ended_is_understood(said: object, native: object, meant: str) -> None:
    end = choice(delta={}, finish_reason=said, native_finish_reason=native)
    assert parts_of(sse(PARTIAL, end) + DONE) == ("", "A partial answ", meant)


def test_a_cut_is_not_forgotten_when_stop_is_said_later() -> None:
    cut = choice(delta={}, finish_reason="length")
    assert parts_of(sse(PARTIAL, cut, STOP) + DONE)[2] == "length"


@pytest.mark.parametrize(
    ("content", "reasoning", "text"),
    [
        ("<think>Hm.</think>Yes.", "Hm.", "Yes."),
        ("\n<think>\nHm.\n</think>\n\nYes.", "Hm.", "Yes."),
        (
            "<think>\nThe user wants a sum. Let me **add** it.\n\n1. two\n2. two\n</think>\n\n"
            "The answer is **4**.\n",
            "The user wants a sum. Let me **add** it.\n\n1. two\n2. two",
            "The answer is **4**.\n",
        ),
        ("<THINK>Hm.</Think>Yes.", "Hm.", "Yes."),
        ("<thinking>Hm.</thinking>\nYes.", "Hm.", "Yes."),
        ("<thought>Hm.</thought>\nYes.", "Hm.", "Yes."),
        ("[THINK]Hm.[/THINK]Yes.", "Hm.", "Yes."),
        ("◁think▷Hm.◁/think▷Yes.", "Hm.", "Yes."),
        ("<think>a</think>\n<think>b</think>\nYes.", "ab", "Yes."),
        ("<think>\n\n</think>\n\nYes.", "", "Yes."),
        ("</think>\n\nYes.", "", "Yes."),
        ("<think>a < b and <thin or </thin</think>Yes.", "a < b and <thin or </thin", "Yes."),
        ("<think>Hm. 2+2 is", "Hm. 2+2 is", ""),
        ("<think>Hm.</thi", "Hm.</thi", ""),
        ("Hm.\n</think>\n\nYes.", "Hm.", "Yes."),
        ("Hm. So 4.</think>\n\nYes.", "Hm. So 4.", "Yes."),
        ("Hm.\n</think>Yes.", "Hm.", "Yes."),
        ("Hm.</think> \nYes.", "Hm.", "Yes."),
        ("Hm.\n</think>\t", "Hm.", ""),
        ("Is 1 < 2?\n- a\n    - b\n\n</think>\nYes.", "Is 1 < 2?\n- a\n    - b", "Yes."),
        (
            "Hm: ```x``` or `\n\n~~~\n`\n~~~\n</think>\nYes.",
            "Hm: ```x``` or `\n\n~~~\n`\n~~~",
            "Yes.",
        ),
        ("```py\n# a\n```\nHm.\n</think>\nYes.", "```py\n# a\n```\nHm.", "Yes."),
        ("Hm.\n</think>", "Hm.", ""),
        ("Hm.\n</think>\n\n`</think>`\n</think>\n", "Hm.", "`</think>`\n</think>\n"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_reasoning_between_tags_is_no_text(
    content: str, reasoning: str, text: str, size: int
) -> None:
    pieces = [piece(content[start : start + size]) for start in range(0, len(content), size)]
    assert parts_of(sse(*pieces, STOP) + DONE) == (reasoning, text, "stop")


@pytest.mark.parametrize(
    "content",
    [
        "Yes.",
        "  indented\n",
        "Use `<think>` to think.\n",
        "Close it with `</think>`\nand go on.",
        "```xml\n<think>\nHm.\n</think>\n```\n",
        "```\n</think>\n```\n",
        "Models write <think>\nHm.\n</think>\nbefore they answer.",
        "The </think> tag ends it.",
        "A reasoning ends with\n</think> and a newline.",
        "The tag is `</think>`. It looks so:\n</think>\nThen comes the answer.",
        "The </think> tag ends it:\n</think>\nThen comes the answer.",
        "# Tags\n\nThe last one is\n\n</think>\n\nThen comes the answer.",
        "| tag |\n|---|\n| b |\n\n</think>\n",
        "The tag:\n\n    </think>\n",
        "The tags:\n\n- </think>\n",
        "The tags:\n\n1. </think>\n",
        "The tags:\n\n> </think>\n",
        "The end:\n~~~\nHm.\n</think>\n~~~\n",
        "The end:\n\n- xml\n\n  ````xml\n  ```\n  Hm.\n</think>\n  ````\n",
        "`Hm.\n</think>\n`",
        "A < B, <thi",
        "[think](https://example.com) about it",
        "<b>Yes.</b>",
        "\n" * 200 + "Yes.",
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_tags_that_an_answer_is_about_stay_text(content: str, size: int) -> None:
    pieces = [piece(content[start : start + size]) for start in range(0, len(content), size)]
    assert parts_of(sse(*pieces, STOP) + DONE) == ("", content, "stop")


def test_a_closing_tag_after_reasoning_of_its_own_field_is_dropped() -> None:
    body = sse(choice(delta={"reasoning_content": "Hm."}), piece("\n</think>\n\nYes."), STOP)
    assert parts_of(body) == ("Hm.", "Yes.", "stop")


def test_text_that_waits_for_a_tag_is_kept_when_the_answer_is_cut_off() -> None:
    assert parts_of(sse(piece("a <thi"))) == ("", "a <thi", "cut_off")


@pytest.mark.parametrize(
    "tag", ["<think></think>", "</think>", "`</think>`", "x</think>", "</thin"]
)
def test_a_million_tags_cost_their_length(tag: str) -> None:
    content = tag * (900_000 // len(tag))
    events, error = read(sse(piece(content), STOP))
    assert error is None
    assert events[-1] == Finish("stop")


@pytest.mark.parametrize(("length", "parts"), [(60_000, 2), (70_000, 1)])
@pytest.mark.parametrize("size", [1_000, 100_000])
def test_reasoning_without_an_opening_tag_has_a_limit(length: int, parts: int, size: int) -> None:
    content = "x" * length + "\n</think>\nYes."
    pieces = [piece(content[start : start + size]) for start in range(0, len(content), size)]
    events, _ = read(sse(*pieces, STOP))
    assert len(fold(events).parts) == parts


class CopiedText(str):
    """A text that counts the characters of its slices."""

    copied = 0

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        found = super().__getitem__(key)
        CopiedText.copied += len(found)
        return found


@pytest.mark.parametrize("tag", ["x</think>", "`x`</think>x", "`</think>`", "x </think> "])
def test_tags_that_do_not_count_are_not_copied_again_for_each(tag: str) -> None:
    tags, content = ReasoningTags(), CopiedText(tag * 1_000)
    CopiedText.copied = 0
    said = [*tags.feed("Hm"), *tags.feed(content), *tags.end()]
    assert fold(said).parts == [{"type": "text", "text": "Hm" + content}]
    assert CopiedText.copied <= 3 * len(content)


def test_nothing_that_a_server_says_of_an_error_is_in_our_message() -> None:
    secret = "canary-5d1e context length exceeded"
    for error in ({"error": {"message": secret, "code": secret}}, {"detail": secret}):
        _, error = read(sse(PARTIAL, error))
        assert error is not None
        assert error.params == {"model": "Tiny"}
        assert "canary" not in message_of(error.message_code, error.params) + str(error)
