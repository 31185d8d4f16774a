"""The chunk store keeps each text whole: no character twice, none missing, none out of place."""

import random

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

FEED = """(chunks) => {
    const store = lab.createChunkStore();
    const asked = chunks.map((chunk) => store.receive(chunk)).filter(Boolean);
    return { ...store.get(chunks.find((f) => f.length)?.[0]), asked };
}"""


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


async def _feed(page: Page, *chunks: list) -> dict:
    return await page.evaluate(FEED, list(chunks))


async def test_chunks_in_order_join_to_the_text(page: Page) -> None:
    got = await _feed(
        page, ["r", 0, "a👋"], ["r", 3, "é"], ["r", 4, "👨‍👩‍👧!"], ["r", 13, "", "complete"]
    )
    assert got["text"] == "a👋é👨‍👩‍👧!"
    assert (got["ended"], got["status"], got["asked"]) == (True, "complete", [])


async def test_no_news_is_no_chunk(page: Page) -> None:
    got = await _feed(page, [], ["r", 0, "a"], [], ["r", 1, "b"])
    assert (got["text"], got["ended"]) == ("ab", False)


async def test_a_replay_adds_only_what_is_new(page: Page) -> None:
    got = await _feed(
        page, ["r", 0, "one "], ["r", 0, "one two"], ["r", 2, "e"], ["r", 4, "two 👋"]
    )
    assert (got["text"], got["asked"]) == ("one two 👋", [])


async def test_a_gap_is_asked_for_once_and_never_filled_with_what_comes_after(page: Page) -> None:
    got = await _feed(page, ["r", 0, "👋"], ["r", 5, "x"], ["r", 6, "y"], ["r", 7, "", "complete"])
    assert got["text"] == "👋"
    assert got["asked"] == [{"streamId": "r", "have": 2}]
    assert got["ended"] is False


async def test_a_second_gap_is_asked_for_again(page: Page) -> None:
    got = await _feed(page, ["r", 3, "x"], ["r", 0, "abcx"], ["r", 9, "z"], ["r", 4, "12345z"])
    assert got["text"] == "abcx12345z"
    assert [asked["have"] for asked in got["asked"]] == [0, 4]


async def test_any_mix_of_lost_and_repeated_chunks_heals_with_replays(page: Page) -> None:
    chance = random.Random(5)
    text = "Tide 👋🏽 naïve 中文 👨‍👩‍👧 end. " * 20
    for _ in range(30):
        chunks, at = [], 0
        while at < len(text):
            size = chance.randint(1, 9)
            chunks.append(["r", _units(text[:at]), text[at : at + size]])
            at += size
        for _ in range(8):
            chunks.pop(chance.randrange(len(chunks)))
            chunks.insert(chance.randrange(len(chunks)), chance.choice(chunks))
            chunks.insert(
                chance.randrange(len(chunks)), ["r", 0, text[: chance.randrange(len(text))]]
            )
        chunks += [["r", 0, text], ["r", _units(text), "", "complete"]]
        got = await _feed(page, *chunks)
        assert (got["text"], got["ended"]) == (text, True)


async def test_texts_that_nobody_shows_are_forgotten_after_eight_more(page: Page) -> None:
    kept = await page.evaluate(
        """() => {
            const store = lab.createChunkStore();
            store.subscribe("shown", () => {});
            const runs = ["shown", ..."abcdefghij"];
            for (const run of runs) store.receive([run, 0, run]);
            return runs.filter((run) => store.get(run));
        }"""
    )
    assert kept == ["shown", *"cdefghij"]


async def test_every_chunk_of_a_burst_arrives_through_react(page: Page) -> None:
    got = await page.evaluate(
        """async () => {
            const options = { events: ["onResync"], strict: true };
            const feed = lab.mount("ChunkFeed", { chunk: [] }, options);
            for (let n = 0; n < 500; n += 1) feed.set({ chunk: ["r", n * 2, "👋"] });
            feed.set({ chunk: ["r", 5000, "x"] });
            const text = lab.chunks.get("r").text;
            feed.unmount();
            await null;
            return [text.length, feed.calls, lab.chunks.get("r") === undefined];
        }"""
    )
    assert got == [1000, [["onResync", "r", 1000]], True]


async def test_the_texts_go_on_when_one_page_takes_over_from_another(page: Page) -> None:
    kept = await page.evaluate(
        """async () => {
            const before = lab.mount("ChunkFeed", { chunk: ["r", 0, "some words"] });
            before.unmount();
            const after = lab.mount("ChunkFeed", { chunk: [] });
            await null;
            const text = lab.chunks.get("r")?.text;
            after.unmount();
            await null;
            return [text, lab.chunks.get("r") === undefined];
        }"""
    )
    assert kept == ["some words", True]
