"""Runs that an agent answers over AG-UI: streamed, stopped, read again, and nothing else asked."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chat_app.auth.principal import Principal
from chat_app.core.events import TextDelta
from chat_app.runs.create import CreatedRun
from chat_app.runs.follow import EndEvent, PartEvent
from testing.ag_ui_agent import FAILS, NAME, THOUGHT, TOOL, WAITS, ToyAgent, answer_to
from testing.reflex_tabs import Harness, open_harness

MODEL = f"ag-ui/{NAME}"


@pytest.fixture
async def agent() -> AsyncIterator[ToyAgent]:
    agent = ToyAgent()
    async with agent.serving():
        yield agent


@pytest.fixture
async def harness(tmp_path: Path, agent: ToyAgent) -> AsyncIterator[Harness]:
    given = {"ag_ui_agents": agent.setting, "ag_ui_headers": agent.headers, "chat_titles": True}
    async with open_harness(tmp_path, **given) as one:
        yield one


async def ask(harness: Harness, who: Principal, text: str, **more: Any) -> CreatedRun:
    return await harness.live.runs.send(who, text=text, client_id=uuid4().hex, model=MODEL, **more)


async def read(harness: Harness, who: Principal, sent: CreatedRun) -> EndEvent:
    async for event in harness.live.runs.follow(who, sent.run_id):
        if isinstance(event, EndEvent):
            return event
    raise AssertionError("no end")


async def parts(harness: Harness, who: Principal, sent: CreatedRun) -> list[Any]:
    """The parts of the last answer, as a page that is opened again has them."""
    window = await harness.live.threads.window(who, sent.thread_id)
    return list(window.messages[-1].parts)


async def test_an_answer_is_streamed_and_stored_and_the_agent_is_asked_for_no_title(
    harness: Harness, agent: ToyAgent
) -> None:
    ada = await harness.user("ada@example.com")
    sent = await ask(harness, ada, "How often?")
    end = await read(harness, ada, sent)
    assert (end.status, end.reason) == ("complete", "stop")
    usage = end.metrics.usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (10, 14)
    reasoning, call, text = await parts(harness, ada, sent)
    assert reasoning["text"].strip() == THOUGHT
    assert (call["name"], call["state"], call["result"]) == (TOOL, "done", "twice a day")
    assert text["text"] == "".join(answer_to("How often?"))
    second = await ask(harness, ada, "and now?", thread_id=sent.thread_id)
    await read(harness, ada, second)
    await harness.live.runs.titles_settled()
    assert len(agent.inputs) == 2
    assert [one.role for one in agent.inputs[1].messages] == [
        *("system", "user", "assistant", "tool", "assistant", "user"),
    ]


async def test_a_stopped_answer_closes_the_connection_and_keeps_its_text(
    harness: Harness, agent: ToyAgent
) -> None:
    ada = await harness.user("ada@example.com")
    question = f"Please {WAITS}."
    sent = await ask(harness, ada, question)
    beginning = answer_to(question)[0]
    async for event in harness.live.runs.follow(ada, sent.run_id):
        if isinstance(event, PartEvent) and event.event == TextDelta(beginning):
            break
    await harness.live.runs.stop(ada, sent.run_id)
    async with asyncio.timeout(15):
        await agent.requests[0].gone.wait()
    assert (await read(harness, ada, sent)).status == "stopped"
    *_, text = await parts(harness, ada, sent)
    assert text["text"] == beginning


async def test_a_run_that_fails_is_not_repeated_because_it_may_have_acted(
    harness: Harness, agent: ToyAgent
) -> None:
    ada = await harness.user("ada@example.com")
    end = await read(harness, ada, await ask(harness, ada, f"Please {FAILS}."))
    assert end.status == "failed"
    assert end.error == f"{NAME}'s provider returned an error. Try again in a moment."
    assert len(agent.inputs) == 1
