"""A thread as JSON and as Markdown."""

import json
import zipfile
from typing import Any
from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.core.events import PartAdded, ReasoningDelta
from chat_app.threads.export import export
from testing.run_services import RunHarness


async def exported(harness: RunHarness, who: Principal) -> tuple[dict[str, Any], str]:
    """The one thread of a user: its JSON and its Markdown."""
    file = await export(harness.db, who)
    with file, zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.startswith("threads/")]
        texts = {name.rpartition(".")[2]: archive.read(name).decode() for name in names}
    return json.loads(texts["json"]), texts["md"]


async def test_reasoning_is_quoted_and_a_notice_is_a_quiet_line(
    harness: RunHarness, alice: Principal
):
    sent = await harness.runs.send(alice, text="Why?", client_id="c1")
    answer = (await harness.models.one.answer()).send(ReasoningDelta("Well.\n\n# So\n"))
    await anext(harness.runs.follow(alice, sent.run_id))
    harness.flush_throttle.time += 12
    answer.say("Because.").finish("length")
    await harness.read(alice, sent.run_id)
    more = await harness.runs.send(
        alice, text="And?", client_id="c2", thread_id=sent.thread_id, model="two"
    )
    source = PartAdded({"type": "source", "id": "s", "url": "https://a.example", "title": "A"})
    summary = PartAdded(
        {"type": "summary", "text": "a\nb", "until": "1", "count": 3, "origin": "model"}
    )
    second = (await harness.models.two.answer()).send(summary).say("So.")
    second.send(source, ReasoningDelta("hm"))
    await second.taken()
    await harness.runs.drain()

    thread, markdown = await exported(harness, alice)
    assert markdown == (
        "# Why?\n\n"
        "## You\n\nWhy?\n\n"
        "## Answer\n\n> *Thought for 12 s*\n>\n> Well.\n>\n> # So\n\nBecause.\n\n"
        "## You\n\nAnd?\n\n"
        "## Answer\n\n*The model was changed from One to Two.*\n\n"
        "> *Summary of 3 older messages, for the model*\n>\n> a\n> b\n\nSo.\n\n"
        "> *Thought*\n>\n> hm\n"
    )
    exported_rows = {UUID(message["id"]): message for message in thread["messages"]}
    for answer_id, status, reason in [
        (sent.message_id, "complete", "length"),
        (more.message_id, "interrupted", ""),
    ]:
        message = exported_rows.pop(answer_id)
        assert (message["status"], message["finishReason"]) == (status, reason)
        assert message["parts"] == (await harness.message(alice, answer_id)).parts
    assert [message["finishReason"] for message in exported_rows.values()] == ["", ""]
