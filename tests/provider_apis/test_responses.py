"""OpenAI's Python client asks for responses."""

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from testing.provider_apis import CAT, Key, ProviderServer

pytestmark = pytest.mark.asyncio(loop_scope="package")

ADD: Any = {
    "type": "function",
    "name": "add",
    "description": "Adds two numbers.",
    "parameters": {"type": "object", "properties": {"a": {"type": "number"}}},
    "strict": False,
}


async def client_of(server: ProviderServer) -> tuple[AsyncOpenAI, Key]:
    key = await server.key("chat")
    return server.openai(key.token), key


async def test_a_whole_answer_has_the_models_id_text_and_usage(server: ProviderServer) -> None:
    client, _ = await client_of(server)
    answer = await client.responses.create(
        model="fake:4x0",
        instructions="Be brief.",
        input="echo: It is.",
        max_output_tokens=50,
        metadata={"a": "b"},
    )
    assert (answer.output_text, answer.status, answer.error) == ("It is.", "completed", None)
    assert (answer.model, answer.instructions) == ("fake:4x0", "Be brief.")
    assert (answer.metadata, answer.max_output_tokens) == ({"a": "b"}, 50)
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    asked = server.model("fake:4x0")
    assert [(one.role, one.text) for one in asked.prompt] == [
        ("system", "Be brief."),
        ("user", "echo: It is."),
    ]


async def test_a_stream_adds_up_to_the_reasoning_and_the_text(server: ProviderServer) -> None:
    client, _ = await client_of(server)
    async with client.responses.stream(
        model="fake:think:4x0",
        input="think: Hm, well. echo: It is so.",
        reasoning={"effort": "low", "summary": "auto"},
    ) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
    texts = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(texts) == final.output_text == "It is so."
    assert [item.type for item in final.output] == ["reasoning", "message"]
    assert final.output[0].type == "reasoning"
    assert final.output[0].summary[0].text == "Hm, well."
    assert server.model("fake:think:4x0").options.effort == "low"


@pytest.mark.parametrize(
    ("model", "reason"),
    [("fake:length:5x0", "max_output_tokens"), ("fake:content-filter:5x0", "content_filter")],
)
async def test_what_is_incomplete_says_why(server: ProviderServer, model: str, reason: str) -> None:
    client, _ = await client_of(server)
    answer = await client.responses.create(model=model, input="hi")
    assert answer.incomplete_details is not None
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", reason)
    stream = await client.responses.create(model=model, input="hi", stream=True)
    *_, last = [event async for event in stream]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details == answer.incomplete_details


async def test_tool_calls_images_and_results_go_to_the_model_and_back(
    server: ProviderServer,
) -> None:
    client, _ = await client_of(server)
    parts = [
        {"type": "input_text", "text": 'call: add {"a": 1} add {"a": 2}'},
        {"type": "input_image", "image_url": CAT, "detail": "auto"},
    ]
    items: list[Any] = [
        {"role": "developer", "content": "Add."},
        {"role": "user", "content": parts},
    ]
    asked: dict[str, Any] = {"model": "fake:6x0", "tools": [ADD]}
    answer = await client.responses.create(**asked, input=items)
    calls = [item for item in answer.output if item.type == "function_call"]
    assert [(call.name, call.arguments) for call in calls] == [
        ("add", '{"a": 1}'),
        ("add", '{"a": 2}'),
    ]
    assert answer.tools[0].type == "function"
    image = server.model("fake:6x0").prompt[1].parts[1]
    assert image["type"] == "file"
    assert image["url"] == CAT
    async with client.responses.stream(**asked, input=items) as stream:
        final = await stream.get_final_response()
    streamed = [item for item in final.output if item.type == "function_call"]
    assert [(call.call_id, call.arguments) for call in streamed] == [
        (call.call_id, call.arguments) for call in calls
    ]
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"{number}"}
        for number, call in enumerate(calls, 41)
    ]
    history: Any = [*items, *(item.to_dict() for item in answer.output), *results]
    answer = await client.responses.create(**asked, input=history)
    assert answer.output_text == "41\n42"
    forced: Any = {"type": "function", "name": "add"}
    await client.responses.create(**asked, input="hi", tool_choice=forced)
    assert server.model("fake:6x0").options.forced_tool == "add"


REFUSED: dict[str, dict[str, Any]] = {
    "frobnicate": {"extra_body": {"frobnicate": 1}},
    "previous_response_id": {"previous_response_id": "resp_1"},
    "background": {"background": True},
    "tools.0": {"tools": [{"type": "web_search"}]},
    "text.format": {"text": {"format": {"type": "json_object"}}},
    "input.0": {"input": [{"type": "item_reference", "id": "x"}]},
    "input.0.role": {"input": [{"role": "tool", "content": "x"}]},
    "input.0.content.0": {"input": [{"role": "user", "content": [{"type": "input_file"}]}]},
}


@pytest.mark.parametrize("param", REFUSED)
async def test_what_there_is_not_is_refused_by_name(server: ProviderServer, param: str) -> None:
    client, _ = await client_of(server)
    asked: dict[str, Any] = {"model": "fake:4x0", "input": "hi", **REFUSED[param]}
    with pytest.raises(openai.BadRequestError) as caught:
        await client.responses.create(**asked)
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")


async def test_a_stream_that_breaks_off_ends_with_an_error(server: ProviderServer) -> None:
    client, _ = await client_of(server)
    stream = await client.responses.create(model="fake:drop:20x0", input="hi", stream=True)
    *_, last = [event async for event in stream]
    assert last.type == "error"
    assert last.code == "cut_off"
