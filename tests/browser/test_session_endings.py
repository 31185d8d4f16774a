"""However a session ends, what is open for it goes blank and its answer stops; others go on."""

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain

import pytest
from playwright.async_api import Page, WebSocket, expect

from chat_app.states.chunks import END
from testing.browser_user import (
    SIGN_IN,
    TIMEOUT_MS,
    BrowserUser,
    Meet,
    composer,
    until_text,
)
from testing.program import Program, running
from testing.stream_chunks import chunks_of

NEW_PASSWORD = "violet kettle harbour thirty eight"
QUESTION = "What does the phone say?"

WORDS = 1_500
"""What the model would say in minutes if it were not stopped."""

Ending = Callable[[BrowserUser, Program], Awaitable[None]]


@dataclass
class Heard:
    """What reached a page over its sockets.

    Attributes:
        sockets: Every socket, in the order in which they were opened.
        text: The pieces of the running answer, joined.
        others: Every frame that is no piece of an answer, by socket.
    """

    sockets: list[WebSocket] = field(default_factory=list)
    text: str = ""
    others: dict[int, str] = field(default_factory=dict)

    def listen(self, page: Page) -> None:
        """Note what comes from now on."""
        page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        number = len(self.sockets)
        self.sockets.append(socket)
        socket.on("framereceived", lambda frame: self._take(number, str(frame)))

    def _take(self, number: int, frame: str) -> None:
        pieces = (
            [
                delta["f_rx_state_"]
                for delta in (json.loads(frame.partition(",")[2])[1]["delta"] or {}).values()
                if "f_rx_state_" in delta
            ]
            if '"f_rx_state_":[' in frame
            else []
        )
        for _, part, third, *rest in chain.from_iterable(map(chunks_of, pieces)):
            if part != END and isinstance(third, int):
                self.text = self.text[:third] + rest[0]
        if not any(pieces):
            self.others[number] = self.others.get(number, "") + frame


async def revoke(laptop: BrowserUser, _: Program) -> None:
    page = await laptop.settings("security")
    rows = page.locator("#sessions .entries > li")
    await expect(rows).to_have_count(2)
    await page.locator("#sessions .entries").get_by_role("button", name="Sign out").click()
    await expect(rows).to_have_count(1)


async def revoke_others(laptop: BrowserUser, _: Program) -> None:
    page = await laptop.settings("security")
    await page.get_by_role("button", name="Sign out other sessions").click()
    await expect(page.get_by_text("Only this session is left.")).to_be_visible()


async def everywhere(laptop: BrowserUser, _: Program) -> None:
    page = await laptop.settings("security")
    await page.get_by_role("button", name="Sign out everywhere").click()
    await page.wait_for_url(SIGN_IN)


async def change_password(laptop: BrowserUser, _: Program) -> None:
    page = await laptop.settings("security")
    await page.locator("#change-password summary").click()
    await page.fill("[name=password]", NEW_PASSWORD)
    await page.get_by_role("button", name="Save password").click()
    await expect(page.get_by_text("Password saved")).to_be_visible()


async def delete(laptop: BrowserUser, _: Program) -> None:
    page = await laptop.settings("data")
    await page.fill("[name=confirm]", laptop.email)
    await page.get_by_role("button", name="Delete everything").click()
    await page.wait_for_url(SIGN_IN)


async def disable(laptop: BrowserUser, program: Program) -> None:
    await laptop.settings("security")
    statement = "UPDATE user SET disabled_at = created_at WHERE email = ?"
    program.behind_its_back(statement, laptop.email)


async def expire(laptop: BrowserUser, program: Program) -> None:
    await laptop.settings("security")
    program.behind_its_back(
        "UPDATE auth_session SET idle_expires_at = created_at"
        " WHERE user_id = (SELECT id FROM user WHERE email = ?)",
        laptop.email,
    )


@pytest.fixture(scope="module")
def long_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A program whose answers last longer than any test."""
    given = {
        "FAKE_MODELS": "true",
        "EMBEDDED_MODEL": "false",
        "CHAT_MODEL": f"fake:{WORDS}x120",
        "LIMIT_SIGN_UP_ADDRESS": "1000/hour",
    }
    with running(tmp_path_factory.mktemp("long"), given=given) as one:
        yield one


@pytest.mark.parametrize(
    ("end", "laptop_stays"),
    [
        (revoke, True),
        (revoke_others, True),
        (everywhere, False),
        (change_password, True),
        (delete, False),
        (disable, False),
        (expire, False),
    ],
)
async def test_an_ended_session_shows_and_says_nothing_more(
    long_program: Program, meet: Meet, end: Ending, laptop_stays: bool
) -> None:
    phone = await meet("Ada", long_program.url)
    heard = Heard()
    heard.listen(phone.page)
    await phone.sign_up()
    other = await phone.tab()
    await other.goto(f"{long_program.url}/settings/profile")
    await expect(other.locator("[name=name]")).to_have_value("Ada")
    laptop = await meet("Ada", long_program.url)
    laptop.email = phone.email
    await laptop.begin_session()

    await phone.ask(QUESTION)
    await until_text(phone.page, 40)
    thread = await phone.thread()
    before = len(heard.sockets)
    await end(laptop, long_program)

    for page in (phone.page, other):
        await page.wait_for_url(SIGN_IN, timeout=TIMEOUT_MS)
        await expect(page.get_by_text("You've been signed out.")).to_be_visible()
        await expect(page.locator("body")).not_to_contain_text(QUESTION)
        await expect(page.locator("body")).not_to_contain_text(phone.email)
    await expect(composer(phone.page)).to_have_count(0)
    assert heard.text
    for socket in heard.sockets[:before]:
        if not socket.is_closed():
            await socket.wait_for_event("close", timeout=TIMEOUT_MS)
    afterwards = "".join(heard.others.get(one, "") for one in range(before, len(heard.sockets)))
    for word in (QUESTION, phone.email, phone.name, heard.text[:20]):
        assert word not in afterwards
    if laptop_stays:
        await laptop.open(f"/c/{thread}")
        row = laptop.page.locator("[data-role=assistant]")
        await expect(row).to_have_attribute("data-status", "revoked")
        kept = (await laptop.stored())[-1]["parts"][0]["text"]
        assert kept.startswith(heard.text)
    else:
        await laptop.page.wait_for_url(SIGN_IN, timeout=TIMEOUT_MS)
    assert phone.errors == laptop.errors == []
