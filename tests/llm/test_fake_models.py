import asyncio
from contextlib import aclosing
from itertools import islice

import pytest

from chat_app.core.events import Event, Finish, ReasoningDelta, TextDelta, Usage
from chat_app.llm.base import CallOptions, ProviderError, text_message
from chat_app.llm.fake import Ending, FakeModel, markdown_tokens
from chat_app.runs.continuation import INSTRUCTION


def model(model_id: str, idle_seconds: float = 30) -> FakeModel:
    found = FakeModel.from_id(model_id, idle_seconds=idle_seconds)
    assert found is not None
    return found


async def events_of(
    fake: FakeModel, question: str = "hi", max_tokens: int | None = None
) -> list[Event]:
    prompt = [text_message("user", question)]
    return [event async for event in fake.stream(prompt, CallOptions(max_tokens=max_tokens))]


async def answer_of(fake: FakeModel, question: str = "hi", max_tokens: int | None = None) -> str:
    events = await events_of(fake, question, max_tokens)
    assert isinstance(events[-1], Finish)
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_an_answer_is_the_same_each_time() -> None:
    assert await answer_of(model("fake:300x0")) == await answer_of(model("fake:300x0"), "other")


async def test_an_answer_has_the_length_asked_for_and_ends_with_usage_and_finish() -> None:
    fake = model("fake:50x0")
    deltas = [delta async for delta in fake.stream([text_message("user", "x" * 40)])]
    assert all(isinstance(delta, TextDelta) for delta in deltas[:50])
    assert deltas[50:] == [Usage(10, 50), Finish("stop")]


async def test_an_answer_stops_at_the_most_tokens_allowed() -> None:
    fake = model("fake:50x0")
    deltas = [
        delta
        async for delta in fake.stream([text_message("user", "hi")], CallOptions(max_tokens=7))
    ]
    assert deltas[7:] == [Usage(0, 7), Finish("length")]


async def test_a_thinking_model_reasons_before_it_answers() -> None:
    events = await events_of(model("fake:think12:30x0"), "x" * 40)
    assert all(isinstance(event, ReasoningDelta) for event in events[:12])
    assert all(isinstance(event, TextDelta) for event in events[12:42])
    assert events[42:] == [Usage(10, 42, 12, 5), Finish("stop")]


async def test_reasoning_has_a_default_length_and_can_be_given() -> None:
    events = await events_of(model("fake:think:0x0"))
    assert sum(isinstance(event, ReasoningDelta) for event in events) == 40
    events = await events_of(model("fake:think:0x0"), "think: <b>hm</b>\n echo: **yes**")
    said = {
        kind: "".join(event.text for event in events if isinstance(event, kind))
        for kind in (ReasoningDelta, TextDelta)
    }
    assert said == {ReasoningDelta: "<b>hm</b>", TextDelta: "**yes**"}


async def test_told_that_it_was_cut_off_it_says_what_is_missing() -> None:
    fake = model("fake:30x0")
    whole = await answer_of(fake)
    prompt = [text_message("user", "hi"), text_message("assistant", whole[:40])]
    prompt.append(text_message("user", INSTRUCTION))
    rest = [event async for event in fake.stream(prompt)]
    assert "".join(e.text for e in rest if isinstance(e, TextDelta)) == whole[40:]


async def test_the_limit_of_tokens_counts_reasoning() -> None:
    events = await events_of(model("fake:think12:30x0"), max_tokens=10)
    assert [type(event) for event in events[:10]] == [ReasoningDelta] * 10
    assert events[10:] == [Usage(0, 10, 10, 0), Finish("length")]


@pytest.mark.parametrize("reason", ["length", "content-filter"])
@pytest.mark.parametrize("tokens", [0, 5])
async def test_an_answer_can_end_for_another_reason(reason: str, tokens: int) -> None:
    events = await events_of(model(f"fake:{reason}:{tokens}x0"))
    assert events[tokens:] == [Usage(0, tokens), Finish(reason)]  # pyright: ignore[reportArgumentType]


def test_tokens_have_the_size_of_real_ones() -> None:
    text = "".join(islice(markdown_tokens(), 4_000))
    assert 4.5 <= len(text.encode()) / 4_000 <= 4.7


def test_the_text_is_markdown_of_every_kind() -> None:
    text = "".join(islice(markdown_tokens(), 600))
    for mark in ("\n## ", "\n- ", "\n| ", "\n|---", "\n```python\n", "\n```\n", "**", "](", "\n> "):
        assert mark in text


async def test_an_echo_is_exact() -> None:
    said = "<img src=x onerror=alert(1)>\n  **bold** _x_ 😀\t\n"
    assert await answer_of(model("fake:9x0"), "please echo: " + said) == said


async def test_an_echo_comes_in_pieces() -> None:
    fake = model("fake:9x0")
    deltas = [d async for d in fake.stream([text_message("user", "echo: one two three four")])]
    assert len(deltas) == 4 + 2


@pytest.mark.parametrize(
    ("model_id", "code", "tokens"),
    [
        ("fake:refuse", "refused", 0),
        ("fake:429", "limited", 0),
        ("fake:drop:20x0", "broken_off", 10),
        ("fake:malformed:20x0", "malformed", 10),
        ("fake:stall:20x0", "stalled", 10),
        ("fake:think40:drop:0x0", "broken_off", 20),
    ],
)
async def test_a_fault_strikes_as_a_real_one(model_id: str, code: str, tokens: int) -> None:
    fake, shown = model(model_id, idle_seconds=0.01), []

    async def read() -> None:
        async for delta in fake.stream([text_message("user", "hi")]):
            shown.append(delta)

    with pytest.raises(ProviderError) as caught:
        await read()
    assert caught.value.code == code
    assert len(shown) == tokens
    assert fake.open == 0


async def test_a_stalled_answer_can_be_closed() -> None:
    fake = model("fake:stall:2x0")
    answer = fake.stream([text_message("user", "hi")])
    assert isinstance(await anext(answer), TextDelta)
    task = asyncio.ensure_future(anext(answer))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fake.open == 0


async def test_calls_open_answers_and_the_prompt_are_recorded() -> None:
    fake = model("fake:9x0")
    prompt = [text_message("system", "a"), text_message("user", "b")]
    async with aclosing(fake.stream(prompt)) as answer:
        await anext(answer)
        assert (fake.calls, fake.open, fake.prompt) == (1, 1, tuple(prompt))
    assert (fake.calls, fake.open) == (1, 0)


async def test_the_fastest_pace_lets_others_run() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await answer_of(model("fake:200x0"))
    task.cancel()
    assert turns >= 200


async def test_a_pace_lies_between_the_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    now, waits = 0.0, []

    async def sleep(seconds: float) -> None:
        nonlocal now
        waits.append(round(seconds, 6))
        now += seconds

    monkeypatch.setattr("chat_app.llm.fake.asyncio.sleep", sleep)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    await answer_of(model("fake:4x20"))
    assert waits == [0, 0.02, 0.02, 0.02]


@pytest.mark.parametrize("ending", list(Ending))
def test_every_ending_has_an_id(ending: Ending) -> None:
    name = f"fake:{ending}" if ending else "fake"
    assert model(name).id == name
    assert model(f"{name}:20x5").id == f"{name}:20x5"
    assert FakeModel(ending, tokens=20, interval=5).id == f"{name}:20x5"
    thinking = name.replace("fake", "fake:think7")
    assert FakeModel(ending, reasoning=7, tokens=20, interval=5).id == f"{thinking}:20x5"
    assert model(f"{thinking}:20x5").id == f"{thinking}:20x5"


@pytest.mark.parametrize(
    "model_id",
    [
        "",
        "xfake",
        "fake:",
        "fake:x",
        "fake:1x",
        "fake:drop:",
        "fake:1x1:drop",
        "fake:9999999x1",
        "fake:thinking",
        "fake:drop:think",
        "fake:think:think",
    ],
)
def test_other_ids_are_no_fake(model_id: str) -> None:
    assert FakeModel.from_id(model_id) is None
