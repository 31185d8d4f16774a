"""The turns that every dialect sends: what any model can go on with."""

from typing import Any

import pytest

from chat_app.core.parts import NativeItem, Part, ToolCallPart, notice_part, text_part
from chat_app.llm.base import PromptMessage, text_message
from chat_app.llm.dialects.turns import (
    CONTINUE,
    DENIED,
    EMPTY_MESSAGE,
    EMPTY_RESULT,
    NO_BEGINNING,
    NO_RESULT,
    Block,
    CallBlock,
    Conversation,
    ImageBlock,
    NativeBlock,
    ReasoningBlock,
    TextBlock,
    conversation_of,
    rounds_of,
    text_of_blocks,
)

MADE_BY = "one/model"
PIXEL = "data:image/png;base64,iVBORw0KGgo="


def call(call_id: str = "c1", arguments: str = '{"city": "Rome"}', **more: Any) -> ToolCallPart:
    part: dict[str, Any] = {
        "type": "tool-call",
        "call_id": call_id,
        "name": "weather",
        "arguments": arguments,
        "state": "done",
        "result": "sunny",
        **more,
    }
    return part  # pyright: ignore[reportReturnType]


def user(*parts: Part | str) -> PromptMessage:
    return PromptMessage("user", _parts(parts))


def answer(
    *parts: Part | str, status: str = "complete", native: tuple[NativeItem, ...] = ()
) -> PromptMessage:
    return PromptMessage("assistant", _parts(parts), status, "some/model", native)


def _parts(parts: tuple[Part | str, ...]) -> tuple[Part, ...]:
    return tuple(text_part(part) if isinstance(part, str) else part for part in parts)


def thought(text: str) -> Part:
    return {"type": "reasoning", "text": text}


def native(at: int, made_by: str = MADE_BY, kind: str = "thinking") -> NativeItem:
    return {"at": at, "made_by": made_by, "item": {"type": kind, "signature": f"s{at}"}}


def conversation(*prompt: PromptMessage, tools: bool = True, images: bool = True) -> Conversation:
    return conversation_of(prompt, tools=tools, images=images, made_by=MADE_BY)


def turns(*prompt: PromptMessage, **more: bool) -> list[tuple[str, list[str]]]:
    """Each turn's role and its blocks, in short."""
    return [
        (turn.role, [short(block) for block in turn.blocks])
        for turn in conversation(*prompt, **more).turns
    ]


def short(block: Block) -> str:
    match block:
        case TextBlock(text):
            return text
        case ReasoningBlock(text):
            return f"~{text}"
        case ImageBlock(url):
            return f"<{url}>"
        case CallBlock():
            return f"{block.call_id}={block.result}"
        case NativeBlock(item, text):
            return f"*{item['type']} {text}"


def test_system_messages_are_one_prompt_beside_the_turns() -> None:
    said = conversation(text_message("system", "a"), text_message("system", "b"), user("hi"))
    assert said.system == "a\n\nb"
    assert [turn.role for turn in said.turns] == ["user"]


def test_turns_alternate() -> None:
    assert turns(user("a"), user("b"), answer("c"), answer("d"), user("e")) == [
        ("user", ["a", "b"]),
        ("assistant", ["c", "d"]),
        ("user", ["e"]),
    ]


@pytest.mark.parametrize(
    ("status", "note"),
    [
        ("failed", "[No answer: the model failed.]"),
        ("stopped", "[No answer: it was stopped.]"),
        ("interrupted", "[No answer: it was interrupted.]"),
        ("revoked", "[No answer: it was stopped.]"),
        ("complete", "[No answer]"),
    ],
)
@pytest.mark.parametrize(
    "parts", [(), ("  \n",), (thought("hm"),), (notice_part("model_changed"),)]
)
def test_an_answer_without_text_keeps_its_place(
    status: str, note: str, parts: tuple[Part | str, ...]
) -> None:
    said = turns(user("a"), answer(*parts, status=status, native=(native(1),)), user("b"))
    assert said == [("user", ["a"]), ("assistant", [note]), ("user", ["b"])]


def test_an_answer_without_text_at_the_end_is_written_again() -> None:
    assert turns(user("a"), answer(status="failed")) == [("user", ["a"])]


def test_an_answer_at_the_end_is_continued() -> None:
    assert turns(user("a"), answer("Once upon", status="stopped")) == [
        ("user", ["a"]),
        ("assistant", ["Once upon"]),
        ("user", [CONTINUE]),
    ]


def test_a_conversation_begins_with_the_users_turn() -> None:
    assert turns(answer("a"), user("b"))[0] == ("user", [NO_BEGINNING])
    assert turns() == [("user", [EMPTY_MESSAGE])]
    assert turns(user(" ")) == [("user", [EMPTY_MESSAGE])]


def test_calls_get_ids_that_every_provider_accepts() -> None:
    long = "x" * 200 + "é!"
    said = turns(user("a"), answer(call(long), call(long), "b"), user("c"), answer(call(), "d"))
    assert said[1] == ("assistant", ["call00001=sunny", "call00002=sunny", "b"])
    assert said[3] == ("assistant", ["call00003=sunny", "d"])


@pytest.mark.parametrize(
    ("more", "result", "failed"),
    [
        ({}, "sunny", False),
        ({"result": {"°C": [21, None]}}, '{"°C": [21, null]}', False),
        ({"result": ""}, EMPTY_RESULT, False),
        ({"state": "failed", "error": "timeout"}, "[The tool failed: timeout]", True),
        ({"state": "called"}, NO_RESULT, True),
        ({"state": "called", "approval": {"id": "a1"}}, NO_RESULT, True),
        ({"state": "denied", "approval": {"id": "a1", "approved": False}}, DENIED, True),
        (
            {"state": "denied", "approval": {"id": "a1", "approved": False, "reason": "no"}},
            "[The user did not allow this call: no]",
            True,
        ),
        ({"state": "streaming", "arguments": '{"ci'}, NO_RESULT, True),
    ],
)
def test_every_call_has_a_result(more: dict[str, Any], result: str, failed: bool) -> None:
    block = conversation(user("a"), answer(call(**more))).turns[1].blocks[0]
    assert isinstance(block, CallBlock)
    assert (block.result, block.failed) == (result, failed)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", {}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": 1e999}', {"a": None}),
        ("[1]", {"arguments": [1]}),
        ('{"a', {"arguments": '{"a'}),
    ],
)
def test_arguments_are_an_object(text: str, arguments: dict[str, Any]) -> None:
    block = conversation(user("a"), answer(call(arguments=text))).turns[1].blocks[0]
    assert isinstance(block, CallBlock)
    assert block.arguments == arguments


def test_a_name_has_the_letters_that_every_provider_accepts() -> None:
    block = conversation(user("a"), answer(call(name="files.read é"))).turns[1].blocks[0]
    assert isinstance(block, CallBlock)
    assert block.name == "files_read__"


def test_calls_are_text_where_no_tools_are_offered() -> None:
    assert turns(user("a"), answer(call(), "b"), tools=False)[1] == (
        "assistant",
        ['[Called the tool weather with {"city": "Rome"}. Result: sunny]', "b"],
    )


def test_results_at_the_end_are_answered_and_not_continued() -> None:
    assert turns(user("a"), answer("b", call()))[-1] == ("assistant", ["b", "call00001=sunny"])


def test_results_before_another_question_are_followed_by_an_answer() -> None:
    said = turns(user("a"), answer(call(), status="stopped"), user("b"))
    assert said[1] == ("assistant", ["call00001=sunny", "[No answer: it was stopped.]"])


def test_an_answer_with_calls_is_sent_in_rounds() -> None:
    parts = (thought("x"), "a", call("1"), call("2"), thought("y"), "b", call("3"), "c")
    said = conversation(user("q"), answer(*parts))
    rounds = [
        ([short(block) for block in each.blocks], [one.call_id for one in each.calls])
        for each in rounds_of(said.turns[1])
    ]
    assert rounds == [
        (["~x", "a"], ["call00001", "call00002"]),
        (["~y", "b"], ["call00003"]),
        (["c"], []),
    ]


def test_native_items_go_back_to_who_made_them() -> None:
    items = (native(1), native(1, "other/model"), native(2, kind="message"))
    said = turns(user("a"), answer(thought("hm"), "b", native=items))
    assert said[1] == ("assistant", ["~hm", "*thinking hm", "b", "*message "])


def test_native_reasoning_that_nothing_follows_is_left_out() -> None:
    items = (native(1), native(3))
    said = turns(user("a"), answer(thought("x"), "b", thought("y"), native=items))
    assert said[1] == ("assistant", ["~x", "*thinking x", "b"])


def test_native_reasoning_begins_the_round_of_its_call() -> None:
    items = (native(1), native(3))
    parts = (thought("x"), call("1"), thought("y"), call("2"))
    said = conversation(user("a"), answer(*parts, native=items))
    assert [[short(block) for block in each.blocks] for each in rounds_of(said.turns[1])] == [
        ["~x", "*thinking x"],
        ["~y", "*thinking y"],
    ]


def test_native_items_of_earlier_answers_stay_where_a_model_binds_them_to_what_was_said() -> None:
    earlier = answer(thought("x"), "b", native=(native(1),))
    under_way = answer(thought("y"), call(), native=(native(1),))
    said = conversation_of(
        [user("a"), earlier, user("c"), under_way], tools=True, made_by=MADE_BY, history=False
    )
    assert [short(block) for block in said.turns[1].blocks] == ["~x", "b"]
    assert [short(block) for block in said.turns[3].blocks] == [
        "~y",
        "*thinking y",
        "call00001=sunny",
    ]


def test_images_of_the_user_are_sent() -> None:
    image: Part = {"type": "file", "url": PIXEL, "media_type": "image/png", "name": "p.png"}
    assert turns(user(image, "what?")) == [("user", [f"<{PIXEL}>", "what?"])]
    assert turns(user(image), images=False) == [("user", ["[File: p.png (image/png)]"])]
    web: Part = {**image, "url": "https://x.example/p.png"}  # pyright: ignore
    asked = conversation_of([user(web)], tools=True, image_urls=False)
    assert asked.turns[0].blocks == (TextBlock("[File: p.png (image/png)]"),)
    assert turns(user("draw"), answer(image))[1] == ("assistant", ["[File: p.png (image/png)]"])


@pytest.mark.parametrize(
    ("url", "media_type"),
    [
        ("/files/1", "image/png"),
        ("data:image/png;base64,no!", "image/png"),
        (PIXEL, "image/tiff"),
        ("https://x.example/a", "application/pdf"),
    ],
)
def test_a_file_that_cannot_be_sent_is_named(url: str, media_type: str) -> None:
    file: Part = {"type": "file", "url": url, "media_type": media_type, "name": "a"}
    assert turns(user(file)) == [("user", [f"[File: a ({media_type})]"])]


def test_sources_and_notices_are_left_out_and_data_is_text() -> None:
    source: Part = {"type": "source", "id": "1", "url": "https://x.example", "title": "X"}
    data: Part = {"type": "data", "name": "chart", "data": {"y": [1]}}
    said = turns(user("a"), answer(source, "b", data, notice_part("model_changed")))
    assert said[1] == ("assistant", ["b", '[chart: {"y": [1]}]'])


SUMMARY: Part = {"type": "summary", "text": "s", "until": "u", "count": 1, "origin": "model"}


@pytest.mark.parametrize("between", [notice_part("model_changed"), SUMMARY])
def test_texts_around_what_is_left_out_are_one_text(between: Part) -> None:
    said = conversation(user("a"), answer("Half of", between, " it"), user("b"))
    assert text_of_blocks(said.turns[1].blocks) == "Half of it"
    [each] = rounds_of(said.turns[1])
    assert short(each.blocks[-1]) == "Half of it"


@pytest.mark.parametrize("items", [(), (native(2),), (native(2, "other/model"),)])
def test_texts_around_reasoning_are_paragraphs(items: tuple[NativeItem, ...]) -> None:
    parts = ("I look.", thought("hm"), "It is high.")
    said = conversation(user("a"), answer(*parts, native=items), user("b"))
    assert text_of_blocks(said.turns[1].blocks) == "I look.\n\nIt is high."
    thoughts = ["~hm", *("*thinking hm" for item in items if item["made_by"] == MADE_BY)]
    assert [short(block) for block in said.turns[1].blocks] == ["I look.", *thoughts, "It is high."]


def test_details_of_reasoning_divide_no_text() -> None:
    details = native(1, kind="reasoning_details")
    parts = ("Half of", notice_part("model_changed"), " it", call(), "c")
    assert turns(user("a"), answer(*parts, native=(details,)))[1][1] == [
        *("*reasoning_details ", "Half of it", "call00001=sunny", "c"),
    ]


def test_lone_surrogates_are_repaired_wherever_they_are() -> None:
    parts = (call("\ud83d", '{"a\ud83d": "\ud83d"}', name="\ud83d", result=["\ud83d"]), "\ud83d")
    for tools in (True, False):
        said = conversation_of(
            [user("\ud83d"), answer(*parts)], tools=tools, images=True, made_by=""
        )
        repr(said).encode()
