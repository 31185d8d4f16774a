"""What an answer and a page may cost, where it does not depend on the machine: counts, no clocks.

`make bench` measures the rest.
"""

import asyncio
import json
import statistics
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Response, expect

from chat_app.states.chat import ChatState
from chat_app.states.feed import Feed
from chat_app.states.page_window import PAGE
from testing.browser import close
from testing.browser_user import PASSWORD, answers
from testing.program import Program
from testing.socket_client import SocketClient, connect
from testing.stream_chunks import chunks_of

QUESTION = "Tell me about the rain."
TOKENS = 100
PACED = f"fake:{TOKENS}x20"
"""A model that sends a token per 20 ms, so that each is a frame of its own."""
ENVELOPE = 150
"""The most bytes of a frame, with the text of one token."""
GROWTH = 1.05
MESSAGES = 1_000
SHOWN = 200
"""The most messages of a thread that the document holds, however many were scrolled through."""
STEP_GROWTH = 1.1
LONG = 2_000
"""Tokens of a long answer."""
ELEMENTS = 1_000
"""The most elements that a long answer may have in the document."""
SCRIPT_FILES, SCRIPT_BYTES = 18, 300_000
"""What the chat page may load, as transferred; all files are preloaded, and each page more splits
what pages share into more of them."""

HYDRATE = "reflex___state____state.hydrate_and_load"


class SocketUser:
    """A user with one tab, seen from the socket."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.http = httpx.Client(
            verify=False, base_url=program.url, headers={"Origin": program.url}, timeout=30
        )
        self.email = f"reader-{uuid4().hex}@example.com"
        form = {"email": self.email, "password": PASSWORD, "name": "Reader"}
        assert self.http.post("/api/auth/signup", data=form).status_code == 303

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())

    def thread(self) -> str:
        return self.http.post("/api/threads", json={}).json()["id"]

    def seeded(self, messages: int) -> str:
        """A thread with so many messages."""
        said = self.program.beside("seed", self.email, "--messages", str(messages))
        return said.strip().rpartition("/")[2]

    def ask(self, thread: str, model: str, text: str = QUESTION) -> None:
        """Ask from another program, and read the whole answer there."""
        said = {"id": uuid4().hex, "role": "user", "parts": [{"type": "text", "text": text}]}
        body = {"id": thread, "messages": [said], "model": model}
        with self.http.stream("POST", "/api/chat", json=body) as answer:
            assert answer.status_code == 200
            answer.read()

    async def browsing(self, browser: Browser) -> BrowserContext:
        """A browser profile in which they are signed in."""
        context = await browser.new_context()
        cookies = [
            {"name": n, "value": v, "url": self.program.url} for n, v in self.http.cookies.items()
        ]
        await context.add_cookies(cookies)  # pyright: ignore[reportArgumentType]
        return context

    @asynccontextmanager
    async def tab(self, thread: str) -> AsyncIterator["SocketTab"]:
        """Open a thread, as the page does."""
        path = f"/c/{thread}"
        place = {"pathname": "/c/[thread]", "asPath": path, "query": {"thread": thread}}
        async with connect(self.program.url, cookie=self.cookie) as socket:
            await socket.boot({"name": HYDRATE, "payload": {}, "router_data": place})
            await socket.until(lambda packet: '"is_hydrated_rx_state_": true' in json.dumps(packet))
            yield SocketTab(socket)


class SocketTab:
    def __init__(self, socket: SocketClient) -> None:
        self._socket = socket

    async def answer(self) -> list[Any]:
        """The frames of the next answer as they came, once it is over."""
        begin = len(self._socket.frames)
        await self._socket.until(lambda packet: news(packet, ChatState).get("busy") is False)
        frames = [packet for packet in self._socket.frames[begin:] if news(packet, Feed).get("f")]
        return [
            packet for packet in frames if text_of(packet) not in ("", QUESTION) or ends(packet)
        ]

    async def answer_in(self, thread: str, reader: "SocketUser", model: str) -> list[Any]:
        """The frames of an answer that is asked for from another program."""
        asked = asyncio.create_task(asyncio.to_thread(reader.ask, thread, model))
        frames = await self.answer()
        await asked
        return frames


def news(packet: Any, state: Any) -> dict[str, Any]:
    """What a packet says of a state's vars."""
    if not isinstance(packet, list) or packet[0] != "event":
        return {}
    delta = (packet[1].get("delta") or {}).get(state.get_full_name(), {})
    return {name.removesuffix("_rx_state_"): value for name, value in delta.items()}


def text_of(frame: Any) -> str:
    """What the chunks of a frame add to the text of an answer; a notice is no such text."""
    added = ""
    for chunk in chunks_of(news(frame, Feed)["f"]):
        patch = chunk[2] if isinstance(chunk[2], dict) else {"type": "text", "text": chunk[3]}
        added += patch.get("text", "") if patch.get("type") in ("text", "reasoning") else ""
    return added


def ends(frame: Any) -> bool:
    """Whether a frame has the end of an answer, and not that of a question with its text."""
    return chunks_of(news(frame, Feed)["f"])[-1][1] == -1 and text_of(frame) != QUESTION


def length_at_end(frames: list[Any]) -> int:
    """The length that the last chunk tells."""
    _, part, length, _, status, _ = chunks_of(news(frames[-1], Feed)["f"])[-1]
    assert (part, status) == (-1, "complete")
    return length


def as_json(value: Any) -> bytes:
    """A value as it is on the wire."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def size(packet: Any) -> int:
    """The bytes a packet took on the wire."""
    return len(b"42/_event,") + len(as_json(packet))


def cost(frames: list[Any]) -> float:
    """Bytes per frame beyond the text itself, which has several tokens on a slow machine."""
    return statistics.mean(size(frame) - len(as_json(text_of(frame))) for frame in frames)


def fifth_of(frames: list[Any]) -> int:
    """How many frames a fifth of them is, and enough to compare."""
    assert len(frames) >= 4
    return max(2, len(frames) // 5)


@pytest.fixture
def reader(program: Program) -> Iterator[SocketUser]:
    one = SocketUser(program)
    yield one
    one.http.close()


async def test_a_token_costs_one_small_frame_however_long_the_answer_and_the_thread(
    reader: SocketUser,
) -> None:
    thread, long_thread = reader.thread(), reader.seeded(MESSAGES)
    async with reader.tab(thread) as tab:
        first = await tab.answer_in(thread, reader, PACED)
        second = await tab.answer_in(thread, reader, PACED)
    async with reader.tab(long_thread) as tab:
        crowded = await tab.answer_in(long_thread, reader, PACED)
    for answer in (first, second, crowded):
        text = "".join(text_of(frame) for frame in answer)
        assert length_at_end(answer) == len(text), "the frames are not the answer"
        assert len(answer) <= TOKENS + 1, "more frames than tokens"
        assert sum(map(size, answer)) / TOKENS <= ENVELOPE
        fifth = fifth_of(answer)
        assert cost(answer[-fifth:-1]) <= GROWTH * cost(answer[:fifth])
    # the end of an answer is larger, and weighs more where there are few frames
    assert cost(second[:-1]) <= GROWTH * cost(first[:-1])
    assert cost(crowded[:-1]) <= GROWTH * cost(first[:-1])


async def test_a_token_of_reasoning_costs_what_one_of_text_does(reader: SocketUser) -> None:
    told: list[list[Any]] = []
    for model in (PACED, f"fake:think{TOKENS}:{TOKENS}x20"):
        thread = reader.thread()
        async with reader.tab(thread) as tab:
            told.append(await tab.answer_in(thread, reader, model))
    text, both = told
    assert length_at_end(both) == len("".join(map(text_of, both)))
    thought = [frame for frame in both if chunks_of(news(frame, Feed)["f"])[0][1] == 0]
    fifth = fifth_of(thought)
    assert cost(thought[-fifth:-1]) <= GROWTH * cost(thought[1:fifth])
    assert cost(thought[1:-1]) <= GROWTH * cost(text[1:-1])


async def test_a_fast_answer_comes_in_fewer_frames_than_tokens(reader: SocketUser) -> None:
    thread = reader.thread()
    async with reader.tab(thread) as tab:
        frames = await tab.answer_in(thread, reader, f"fake:{LONG}x1")
    text = "".join(map(text_of, frames))
    assert length_at_end(frames) == len(text) > LONG
    assert len(frames) <= LONG / 4
    assert sum(map(size, frames)) / LONG <= 40


async def test_the_page_is_light_and_a_long_answer_stays_so(
    reader: SocketUser, browser: Browser
) -> None:
    thread = reader.thread()
    reader.ask(thread, f"fake:{LONG}x0")
    context = await reader.browsing(browser)
    page = await context.new_page()
    devtools = await context.new_cdp_session(page)
    scripts: dict[str, str] = {}
    sizes: dict[str, int] = {}

    def came(said: dict[str, Any]) -> None:
        if said["type"] == "Script":
            scripts[said["requestId"]] = said["response"]["url"]

    devtools.on("Network.responseReceived", came)
    devtools.on(
        "Network.loadingFinished",
        lambda said: sizes.update({said["requestId"]: said["encodedDataLength"]}),
    )
    await devtools.send("Network.enable")
    await page.goto(f"{reader.program.url}/c/{thread}", wait_until="networkidle")
    await expect(answers(page)).to_have_attribute("data-state", "done")
    assert 0 < len(set(scripts.values())) <= SCRIPT_FILES
    assert 0 < sum(sizes[request] for request in scripts) <= SCRIPT_BYTES
    elements = await answers(page).locator("*").count()
    assert 0 < elements <= ELEMENTS
    await close(context)


async def test_formulas_load_their_script_and_nothing_else_does(
    reader: SocketUser, browser: Browser
) -> None:
    plain, math = reader.thread(), reader.thread()
    reader.ask(plain, "fake:1x0", "echo: It costs $5 to $10, and `$x$` is code.")
    reader.ask(math, "fake:1x0", "echo: The area is $a^2$.")
    context = await reader.browsing(browser)
    page = await context.new_page()
    scripts: list[Response] = []
    page.on("response", lambda one: scripts.append(one) if one.url.endswith(".js") else None)

    async def typesetters() -> int:
        """How many of the scripts are KaTeX, which names itself in its errors."""
        return ["KaTeX parse error" in await one.text() for one in scripts].count(True)

    await page.goto(f"{reader.program.url}/c/{plain}", wait_until="networkidle")
    await expect(answers(page)).to_have_attribute("data-state", "done")
    assert scripts
    assert await typesetters() == 0
    scripts.clear()
    await page.goto(f"{reader.program.url}/c/{math}", wait_until="networkidle")
    await expect(answers(page).locator(".katex")).to_have_count(1)
    assert await typesetters() == 1
    await close(context)


# To one end of what is loaded, and then: how far the row in sight has moved when more is there and
# drawn. Until the button of that end is gone, which is where the thread ends.
SCROLL = """async ([button, isUp]) => {
    const view = document.querySelector(".ct-scroll");
    const rows = () => [...document.querySelectorAll("[data-testid=message]")];
    const frame = () => new Promise(requestAnimationFrame);
    const edge = view.getBoundingClientRect().top;
    const inSight = () => rows().find((row) => row.getBoundingClientRect().bottom > edge);
    const topOf = (row) => row.getBoundingClientRect().top;
    // Where a message is painted: within a frame it may grow before it is put back in its place.
    const painted = (id) => new Promise((resolve) => {
        const row = document.querySelector(`[data-message="${id}"]`);
        const observer = new IntersectionObserver(([entry]) => {
            observer.disconnect();
            resolve(row.isConnected ? entry.boundingClientRect.top : painted(id));
        });
        observer.observe(row);
    });
    const still = async () => {
        let [same, before] = [0, ""];
        while (same < 4) {
            await frame();
            const drawn = [...view.querySelectorAll("[data-role=assistant] .ct-text")]
                .every((text) => text.dataset.state === "done");
            const now = drawn ? `${view.scrollTop} ${view.scrollHeight}` : "";
            same = now && now === before ? same + 1 : 0;
            before = now;
        }
    };
    const report = { steps: 0, most: 0, elements: 0, moved: 0 };
    while (document.querySelector(button)) {
        const end = () => rows().at(isUp ? 0 : -1).dataset.message;
        const before = end();
        view.scrollTop = isUp ? 0 : view.scrollHeight;
        const row = inSight();
        const [id, top] = [row.dataset.message, topOf(row)];
        while (end() === before) await frame();
        report.moved = Math.max(report.moved, Math.abs(await painted(id) - top));
        await still();
        report.moved = Math.max(report.moved, Math.abs(await painted(id) - top));
        report.steps += 1;
        report.most = Math.max(report.most, rows().length);
        report.elements = Math.max(report.elements, view.querySelectorAll("*").length);
    }
    return report;
}"""


async def test_a_long_thread_stays_small_on_the_page_and_still_under_the_reader(
    reader: SocketUser, browser: Browser
) -> None:
    thread = reader.seeded(MESSAGES)
    context = await reader.browsing(browser)
    page = await context.new_page()
    steps: list[int] = []

    def came(frame: str | bytes) -> None:
        if "order_rx_state_" in str(frame):
            steps.append(len(frame))

    page.on("websocket", lambda socket: socket.on("framereceived", came))
    await page.goto(f"{reader.program.url}/c/{thread}")
    await expect(page.locator("[data-testid=message]")).to_have_count(PAGE)
    await expect(answers(page).last).to_have_attribute("data-state", "done")
    steps.clear()
    up = await page.evaluate(SCROLL, [".messages > .quiet-button:not(.later)", True])
    down = await page.evaluate(SCROLL, [".messages > .later", False])
    assert up["steps"] > down["steps"] > MESSAGES // PAGE - 10
    for report in (up, down):
        assert report["most"] <= SHOWN
        assert report["moved"] < 1, "pixels that what is read has moved"
        assert report["elements"] <= GROWTH * up["elements"]  # some are drawn later
    assert len(steps) >= up["steps"] + down["steps"]
    assert max(steps) <= STEP_GROWTH * steps[0], "a step costs more, the more was read"
    await close(context)
