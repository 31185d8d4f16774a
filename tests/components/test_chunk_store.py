"""The chunk store keeps each text whole: no character twice, none missing, none out of place."""

import random

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

FEED = """(chunks) => {
    const store = lab.createChunkStore();
    const asked = [];
    store.onResync((resync) => asked.push(resync));
    for (const chunk of chunks) store.receive(chunk);
    return { parts: [], ...store.get("r"), asked };
}"""


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


async def _feed(page: Page, *chunks: list) -> dict:
    return await page.evaluate(FEED, list(chunks))


def _texts(got: dict) -> list[str]:
    return [part["text"] for part in got["parts"]]


async def test_chunks_in_order_join_to_the_text(page: Page) -> None:
    got = await _feed(
        page,
        *(["r", 0, 0, "a👋"], ["r", 0, 3, "é"], ["r", 0, 4, "👨‍👩‍👧!"]),
        ["r", -1, 13, "", "complete"],
    )
    assert got["parts"] == [{"type": "text", "text": "a👋é👨‍👩‍👧!"}]
    assert (got["ended"], got["status"], got["asked"]) == (True, "complete", [])


async def test_no_news_is_no_chunk(page: Page) -> None:
    got = await _feed(page, [], ["r", 0, 0, "a"], [], ["r", 0, 1, "b"])
    assert (_texts(got), got["ended"]) == (["ab"], False)


async def test_patches_are_merged_into_their_part(page: Page) -> None:
    got = await _feed(
        page,
        ["r", 0, {"type": "notice", "text": "Another model."}],
        ["r", 1, {"type": "reasoning", "text": "Hm"}],
        ["r", 1, 2, ", so"],
        [["r", 1, {"seconds": 1.5}], ["r", 2, 0, "Yes."]],
        ["r", 3, {"type": "tool-call", "name": "clock", "state": "streaming"}],
        ["r", 3, {"state": "done"}],
        ["r", -1, 10, "", "complete"],
    )
    assert got["parts"] == [
        {"type": "notice", "text": "Another model."},
        {"type": "reasoning", "text": "Hm, so", "seconds": 1.5},
        {"type": "text", "text": "Yes."},
        {"type": "tool-call", "text": "", "name": "clock", "state": "done"},
    ]
    assert (got["ended"], got["asked"]) == (True, [])


async def test_a_replay_adds_only_what_is_new(page: Page) -> None:
    got = await _feed(
        page,
        ["r", 0, {"type": "reasoning", "text": "one "}],
        ["r", 0, {"type": "reasoning", "text": "one two"}],
        *(["r", 0, 2, "e"], ["r", 0, 4, "two 👋"]),
        *(["r", 1, 0, "three"], ["r", 0, 0, "one"], ["r", 1, 0, "three four"]),
    )
    assert (_texts(got), got["asked"]) == (["one two 👋", "three four"], [])


async def test_a_gap_is_asked_for_once_and_never_filled_with_what_comes_after(page: Page) -> None:
    got = await _feed(
        page,
        *(["r", 0, 0, "👋"], ["r", 0, 5, "x"], ["r", 0, 6, "y"]),
    )
    assert _texts(got) == ["👋"]
    assert got["asked"] == [{"streamId": "r", "part": 0, "have": 2}]
    assert got["ended"] is False


async def test_a_second_gap_is_asked_for_again(page: Page) -> None:
    got = await _feed(
        page, *(["r", 0, at, text] for at, text in ((3, "x"), (0, "abcx"), (9, "z"), (4, "12345z")))
    )
    assert _texts(got) == ["abcx12345z"]
    assert [asked["have"] for asked in got["asked"]] == [0, 4]


async def test_a_missing_part_is_asked_for_from_the_last_one_that_is_there(page: Page) -> None:
    got = await _feed(
        page,
        ["r", 0, {"type": "reasoning", "text": "Hm"}],
        ["r", 2, 0, "later"],
        [["r", 0, {"type": "reasoning", "text": "Hm."}], ["r", 1, 0, "in between"]],
        ["r", 2, 0, "later"],
    )
    assert got["asked"] == [{"streamId": "r", "part": 0, "have": 2}]
    assert _texts(got) == ["Hm.", "in between", "later"]


async def test_a_part_whose_beginning_was_lost_is_asked_for_from_the_one_before(
    page: Page,
) -> None:
    thought = ["r", 0, {"type": "reasoning", "seconds": 2.0}]  # lost, with the part after it
    got = await _feed(
        page,
        ["r", 0, 0, "Hm."],
        ["r", 1, 3, ", it"],
        [["r", 0, {"type": "reasoning", "text": "Hm."}], thought, ["r", 1, 0, "Yes, it"]],
        ["r", 1, 7, " is."],
        ["r", -1, 14, "", "complete"],
    )
    assert got["asked"] == [{"streamId": "r", "part": 0, "have": 3}]
    assert got["parts"] == [
        {"type": "reasoning", "text": "Hm.", "seconds": 2.0},
        {"type": "text", "text": "Yes, it is."},
    ]
    assert got["ended"] is True


async def test_a_change_of_a_part_that_is_not_there_is_a_gap(page: Page) -> None:
    got = await _feed(page, ["r", 0, 0, "Hm"], ["r", 1, {"state": "done"}])
    assert got["asked"] == [{"streamId": "r", "part": 0, "have": 2}]
    assert _texts(got) == ["Hm"]


async def test_the_end_asks_for_what_a_lost_reply_did_not_bring(page: Page) -> None:
    end = ["r", -1, 5, "", "complete"]
    lost = [["r", 0, 0, "a"], *(["r", 0, at, "x"] for at in (2, 3, 4)), end]
    got = await _feed(page, *lost)
    assert [asked["have"] for asked in got["asked"]] == [1, 1]
    got = await _feed(page, *lost, [["r", 0, 0, "axxxx"], end])
    assert (got["ended"], _texts(got), len(got["asked"])) == (True, ["axxxx"], 2)
    got = await _feed(page, *lost, [["r", 0, 0, "ax"], end], [["r", 0, 0, "axx"], end], end)
    assert (got["ended"], len(got["asked"])) == (True, 4), "each reply has brought some"


RETRY = """({ first, then, shown }) => {
    const [timers, asked] = [[], []];
    const later = (work, delay) => timers.push({ work, delay });
    const store = lab.createChunkStore({ later });
    store.onResync(({ have }) => asked.push(have));
    const hide = store.subscribe("r", () => {});
    if (shown === false) hide();
    const delays = [];
    const pass = () => {
        const due = timers.splice(0);
        delays.push(...due.map(({ delay }) => delay));
        due.forEach(({ work }) => work());
    };
    first.forEach(store.receive);
    for (let n = 0; n < 7; n += 1) pass();
    const before = asked.length;
    then.forEach(store.receive);
    pass();
    pass();
    return { before, asked, delays, parts: store.get("r").parts };
}"""


async def test_a_reply_that_does_not_come_is_asked_for_again_later_and_later(page: Page) -> None:
    given = {"first": [["r", 0, 0, "a"], ["r", 0, 2, "c"]], "then": [["r", 0, 0, "abc"]]}
    got = await page.evaluate(RETRY, given)
    assert got["asked"] == [1] * 8
    assert got["delays"] == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]
    assert got["before"] == 8, "and no more once it is there"
    got = await page.evaluate(RETRY, {**given, "then": [["r", 0, 0, "ab"], ["r", 0, 9, "z"]]})
    assert got["asked"] == [1] * 8 + [2] * 3, "another gap is asked for at once"


async def test_what_is_not_shown_is_not_asked_for_again_until_the_next_gap(page: Page) -> None:
    given = {"first": [["r", 0, 2, "c"]], "then": [["r", 0, 3, "d"]], "shown": False}
    got = await page.evaluate(RETRY, given)
    assert (got["before"], got["asked"]) == (1, [0, 0])


AWAITED = """({ then, ended }) => {
    const [timers, asked] = [[], []];
    const store = lab.createChunkStore({ later: (work) => timers.push(work) });
    const pass = () => timers.splice(0).forEach((work) => work());
    store.onResync((resync) => asked.push(resync));
    store.subscribe("r", () => {});
    store.receive(["r", 0, 0, "Yes."]);
    if (ended) store.receive(ended);
    for (let n = 0; n < 3; n += 1) store.awaitEnd("r");
    const early = asked.length;
    pass();
    if (then) store.receive(then);
    pass();
    return { early, asked, ended: store.get("r").ended };
}"""


async def test_an_end_that_was_lost_is_asked_for_once_the_message_is_over(page: Page) -> None:
    end = ["r", -1, 4, "", "complete", 1]
    reply = [["r", 0, 0, "Yes."], end]
    asked = {"streamId": "r", "part": 0, "have": 4}
    got = await page.evaluate(AWAITED, {"then": reply})
    assert got == {"early": 0, "asked": [asked], "ended": True}
    got = await page.evaluate(AWAITED, {})
    assert got == {"early": 0, "asked": [asked] * 2, "ended": False}, "that reply was lost too"
    got = await page.evaluate(AWAITED, {"ended": end})
    assert got == {"early": 0, "asked": [], "ended": True}


async def test_a_wrong_length_at_the_end_is_asked_for_once(page: Page) -> None:
    lost = [["r", 0, {"type": "reasoning", "text": "Hm"}], ["r", 1, 0, "Yes."]]
    end = ["r", -1, 10, "", "complete"]
    got = await _feed(page, lost, end)
    assert (got["ended"], got["asked"]) == (False, [{"streamId": "r", "part": 0, "have": 2}])
    got = await _feed(page, lost, end, [["r", 0, 2, ", so"], ["r", 1, 0, "Yes."], end])
    assert (got["ended"], _texts(got), len(got["asked"])) == (True, ["Hm, so", "Yes."], 1)
    got = await _feed(page, lost, end, [*lost, end])
    assert (got["ended"], len(got["asked"])) == (True, 1), "it is what the server has"


async def test_a_part_without_text_that_was_lost_is_asked_for_at_the_end(page: Page) -> None:
    said, source = ["r", 0, 0, "Yes."], ["r", 1, {"type": "source", "url": "https://a.example"}]
    end = ["r", -1, 4, "", "complete", 2]
    got = await _feed(page, said, end)
    assert (got["ended"], got["asked"]) == (False, [{"streamId": "r", "part": 0, "have": 4}])
    got = await _feed(page, said, end, [said, source, end])
    assert (got["ended"], len(got["parts"]), len(got["asked"])) == (True, 2, 1)
    got = await _feed(page, said, end, [said, end])
    assert (got["ended"], len(got["asked"])) == (True, 1), "it is what the server has"


async def test_any_mix_of_lost_and_repeated_chunks_heals_with_replays(page: Page) -> None:
    chance = random.Random(5)
    texts = ["Tide 👋🏽 naïve 中文 👨‍👩‍👧 end. " * 20, "One more. " * 20]
    replay = [["r", part, 0, text] for part, text in enumerate(texts)]
    for _ in range(30):
        chunks = []
        for part, text in enumerate(texts):
            at = 0
            while at < len(text):
                size = chance.randint(1, 9)
                chunks.append(["r", part, _units(text[:at]), text[at : at + size]])
                at += size
        for _ in range(8):
            chunks.pop(chance.randrange(len(chunks)))
            chunks.insert(chance.randrange(len(chunks)), chance.choice(chunks))
            cut = texts[0][: chance.randrange(1, len(texts[0]))]
            chunks.insert(chance.randrange(len(chunks)), ["r", 0, 0, cut])
        chunks += [replay, ["r", -1, sum(map(_units, texts)), "", "complete"]]
        got = await _feed(page, *chunks)
        assert (_texts(got), got["ended"]) == (texts, True)


LOSSY = """({ values, lost }) => {
    // A server that knows all it has sent, and a page that loses some of what it is sent.
    const sent = lab.createChunkStore();
    const [timers, replies] = [[], []];
    const page = lab.createChunkStore({ later: (work) => timers.push(work) });
    page.subscribe("r", () => {});
    let asked = 0;
    page.onResync(({ part }) => {
        asked += 1;
        const { parts, ended, status } = sent.get("r");
        const whole = parts.map((known, index) =>
            known.type === "text" ? ["r", index, 0, known.text] : ["r", index, { ...known }]);
        const length = parts.reduce((sum, { type, text }) =>
            sum + (type === "notice" ? 0 : text.length), 0);
        if (ended) whole.push(["r", -1, length, "", status]);
        replies.push(whole.filter(([, index]) => index < 0 || index >= part));
    });
    let arrivals = 0;
    const arrive = (value) => {
        // A value is lost when another follows at once, so the last is not.
        if (value === values.at(-1) || !lost.includes(arrivals++)) page.receive(value);
    };
    for (const value of values) {
        sent.receive(value);
        arrive(value);
        replies.splice(0).forEach(arrive);
    }
    for (let n = 0; n < 20; n += 1) {
        replies.splice(0).forEach(arrive);
        timers.splice(0).forEach((work) => work());
    }
    return { ...page.get("r"), expected: sent.get("r").parts, asked };
}"""


async def test_any_mix_of_lost_values_and_replies_heals_with_every_change_of_a_part(
    page: Page,
) -> None:
    chance = random.Random(7)
    for _ in range(150):
        values = _values(chance)
        lost = [at for at in range(2 * len(values)) if chance.random() < 0.25]
        got = await page.evaluate(LOSSY, {"values": values, "lost": lost})
        assert got["parts"] == got["expected"], (values, lost)
        assert got["ended"] is True
        assert got["asked"] <= 2 * len(values)


def _values(chance: random.Random) -> list[list]:
    """An answer of every kind of part, as the server sends it."""
    values: list[list] = []
    deferred: list[list] = []
    length = 0
    kinds = chance.choices(["text", "reasoning", "found", "notice"], k=chance.randint(0, 5))
    for part, kind in enumerate([*kinds, "text"]):
        words = [
            chance.choice(["Tide 👋🏽 ", "naïve ", "中文 "]) for _ in range(chance.randint(1, 5))
        ]
        if kind == "notice":
            values.append([*deferred, ["r", part, {"type": "notice", "text": words[0]}]])
            deferred = []
            continue
        offset = 0
        for word in words:
            begins = kind == "reasoning" and offset == 0
            patch = {"type": "reasoning", "text": word}
            chunk = ["r", part, patch] if begins else ["r", part, offset, word]
            values.append([*deferred, chunk])
            deferred = []
            offset += _units(word)
        length += offset
        if kind == "reasoning":
            deferred = [["r", part, {"seconds": 1.5}]]
        elif kind == "found":
            deferred = [["r", part, {"type": "reasoning", "seconds": 2.5}]]
    return [*values, [*deferred, ["r", -1, length, "", "complete"]]]


async def test_the_text_of_a_part_that_travelled_without_it_is_asked_for_until_it_comes(
    page: Page,
) -> None:
    got = await page.evaluate(
        """() => {
            const [timers, asked, seen] = [[], [], []];
            const store = lab.createChunkStore({ later: (work) => timers.push(work) });
            store.subscribe("r", () => {});
            store.onResync((resync) => asked.push(resync));
            store.watch((change) => seen.push(change));
            const parts = [{ type: "text", text: "Before." }, { type: "reasoning", length: 2 }];
            store.requestPart("r", 1, parts);
            timers.shift()();
            store.receive([["r", 1, { type: "reasoning", text: "Hm" }], ["r", 1, { seconds: 2 }]]);
            timers.shift()();
            return [asked, store.get("r").parts, seen.map(({ grew, ended }) => grew || ended)];
        }"""
    )
    asked, parts, news = got
    assert asked == [{"streamId": "r", "part": 1, "have": 0}] * 2, "until it is there"
    assert parts[1] == {"type": "reasoning", "text": "Hm", "length": 2, "seconds": 2}
    assert news == [False], "nothing new was said"


async def test_texts_that_are_not_shown_are_forgotten_after_eight_more(page: Page) -> None:
    kept = await page.evaluate(
        """() => {
            const store = lab.createChunkStore();
            store.subscribe("shown", () => {});
            const runs = ["shown", ..."abcdefghij"];
            for (const run of runs) store.receive([run, 0, 0, run]);
            return runs.filter((run) => store.get(run));
        }"""
    )
    assert kept == ["shown", *"cdefghij"]


async def test_a_value_costs_no_more_than_its_chunks(page: Page) -> None:
    short, long = await page.evaluate(
        """() => {
            const iterator = Array.prototype[Symbol.iterator];
            let steps = 0;
            const cost = (count) => {
                const value = Array.from({ length: count }, (_, at) => ["r", 0, at, "x"]);
                steps = 0;
                lab.createChunkStore().receive(value);
                return steps;
            };
            Array.prototype[Symbol.iterator] = function* () {
                for (const value of { [Symbol.iterator]: () => iterator.call(this) }) {
                    steps += 1;
                    yield value;
                }
            };
            const costs = [cost(200), cost(400)];
            Array.prototype[Symbol.iterator] = iterator;
            return costs;
        }"""
    )
    assert long <= 2.2 * short


async def test_every_chunk_of_a_burst_arrives_through_react(page: Page) -> None:
    got = await page.evaluate(
        """async () => {
            const options = { events: ["onResync"], strict: true };
            const feed = lab.mount("ChunkFeed", { chunk: [] }, options);
            for (let n = 0; n < 500; n += 1) feed.set({ chunk: ["r", 0, n * 2, "👋"] });
            feed.set({ chunk: ["r", 0, 5000, "x"] });
            const text = lab.chunks.get("r").parts[0].text;
            feed.unmount();
            await null;
            return [text.length, feed.calls, lab.chunks.get("r") === undefined];
        }"""
    )
    assert got == [1000, [["onResync", "r", 0, 1000]], True]


async def test_the_texts_go_on_when_one_page_takes_over_from_another(page: Page) -> None:
    kept = await page.evaluate(
        """async () => {
            const before = lab.mount("ChunkFeed", { chunk: ["r", 0, 0, "some words"] });
            before.unmount();
            const after = lab.mount("ChunkFeed", { chunk: [] });
            await null;
            const text = lab.chunks.get("r")?.parts[0].text;
            after.unmount();
            await null;
            return [text, lab.chunks.get("r") === undefined];
        }"""
    )
    assert kept == ["some words", True]


async def test_a_message_that_goes_on_gets_more_text_and_another_end(page: Page) -> None:
    got = await page.evaluate(
        """() => {
            const store = lab.createChunkStore();
            const asked = [];
            store.onResync((resync) => asked.push(resync));
            store.receive([["r", 0, 0, "Half"], ["r", -1, 4, "", "stopped", 1]]);
            store.reopen("nothing");
            store.reopen("r");
            const open = { ...store.get("r") };
            store.receive(["r", 0, 0, "Half"]);
            store.receive(["r", 0, 4, " more"]);
            store.receive(["r", -1, 9, "", "complete", 1]);
            return { open, over: store.get("r"), asked };
        }"""
    )
    assert (got["open"]["ended"], got["open"]["status"]) == (False, "")
    assert _texts(got["over"]) == ["Half more"]
    assert (got["over"]["ended"], got["over"]["status"]) == (True, "complete")
    assert got["asked"] == []


async def test_a_message_that_goes_on_before_that_is_said_gets_more_text_and_another_end(
    page: Page,
) -> None:
    got = await page.evaluate(
        """() => {
            const store = lab.createChunkStore();
            const asked = [];
            const changes = [];
            store.onResync((resync) => asked.push(resync));
            store.receive([["r", 0, 0, "Half"], ["r", -1, 4, "", "stopped", 1]]);
            store.watch(({ grew, ended, status }) => changes.push([grew, ended, status]));
            store.receive(["r", 0, 0, "Half"]);
            store.receive(["r", 0, 4, " more"]);
            store.receive(["r", -1, 9, "", "complete", 1]);
            return { ...store.get("r"), changes, asked };
        }"""
    )
    assert _texts(got) == ["Half more"]
    assert (got["ended"], got["status"], got["asked"]) == (True, "complete", [])
    assert got["changes"] == [[True, False, ""], [False, True, "complete"]]


async def test_what_is_requested_of_a_message_that_is_over_does_not_open_it_again(
    page: Page,
) -> None:
    got = await page.evaluate(
        """() => {
            const store = lab.createChunkStore();
            const changes = [];
            store.watch(({ grew, ended }) => changes.push([grew, ended]));
            const thought = { type: "reasoning", text: "" };
            const texts = ["So. ", "Yes."].map((text) => ({ type: "text", text }));
            const parts = [thought, texts[0], thought, texts[1]];
            store.requestPart("r", 0, parts);
            store.requestPart("r", 2, parts);
            store.receive(["r", 0, { type: "reasoning", text: "First." }]);
            store.receive(["r", 2, { type: "reasoning", text: "Second." }]);
            return { ...store.get("r"), changes };
        }"""
    )
    assert _texts(got) == ["First.", "So. ", "Second.", "Yes."]
    assert got["ended"]
    assert got["changes"] == [[False, False], [False, False]]


async def test_the_same_data_again_changes_nothing(page: Page) -> None:
    got = await page.evaluate(
        """() => {
            const store = lab.createChunkStore();
            const whole = () => [
                ["r", 0, { type: "data", name: "weather", data: { days: [1, 2] } }],
                ["r", -1, 0, "", "complete", 1],
            ];
            store.receive(whole());
            const changes = [];
            store.watch((change) => changes.push(change));
            store.receive(whole());
            return { ...store.get("r"), changes };
        }"""
    )
    assert (got["ended"], got["status"], got["changes"]) == (True, "complete", [])
