"""A user in a real browser: sign up, sign in, send a message, read the answer."""

import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from playwright.async_api import BrowserContext, Page, expect

from testing.browser import TIMEOUT_MS

PASSWORD = "correct horse battery staple"
SIGN_IN = re.compile(r"/signin/?(\?|$)")


Meet = Callable[..., Awaitable["BrowserUser"]]
"""Opens a browser profile for a user: `await meet("Ada", program.url)`."""


class BrowserUser:
    """A user with a browser profile of their own.

    Attributes:
        page: The tab they look at.
        errors: What the page complained about.
    """

    def __init__(self, url: str, context: BrowserContext, page: Page, name: str) -> None:
        self.url, self.context, self.page, self.name = url, context, page, name
        self.email = f"{name.lower()}-{uuid4().hex[:8]}@example.com"
        self.errors: list[str] = []
        self._listen(page)

    def _listen(self, page: Page) -> None:
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console",
            lambda said: (
                self.errors.append(said.text)
                if said.type == "error" and "Content Security" in said.text
                else None
            ),
        )

    async def tab(self) -> Page:
        """Open another tab."""
        page = await self.context.new_page()
        self._listen(page)
        return page

    async def sign_up(self) -> None:
        """Create an account by what the form of the page sends, and open the chat."""
        await self._enter("/api/auth/signup")
        await self.open("/")
        await expect(composer(self.page)).to_be_visible()

    async def begin_session(self) -> None:
        """Sign in by what the form of the page sends, with no page open yet."""
        await self._enter("/api/auth/callback/credentials")

    async def _enter(self, path: str) -> None:
        answer = await self.context.request.post(
            f"{self.url}{path}",
            form={"email": self.email, "name": self.name, "password": PASSWORD},
            headers={"Origin": self.url, "X-Auth-Return-Redirect": "1"},
        )
        assert "error" not in (await answer.json())["url"], await answer.text()

    async def sign_up_on_page(self) -> None:
        """Create an account on the page."""
        await self.open("/signup")
        await self.page.fill("[name=email]", self.email)
        await self.page.fill("[name=name]", self.name)
        await self._submit()

    async def sign_in(self) -> None:
        """Sign in on the page."""
        await self.open("/signin")
        await self.page.fill("[name=email]", self.email)
        await self._submit()

    async def _submit(self) -> None:
        await self.page.fill("[name=password]", PASSWORD)
        await self.page.locator("form button[type=submit]").last.click()
        await expect(composer(self.page)).to_be_visible()

    async def sign_out(self) -> None:
        """Sign out with the button."""
        await self.page.get_by_test_id("account-menu").click()
        await self.page.get_by_test_id("sign-out").click()
        await self.page.wait_for_url(SIGN_IN)

    async def ask(self, text: str) -> None:
        """Type a question and press Enter."""
        await composer(self.page).fill(text)
        await composer(self.page).press("Enter")

    async def open(self, path: str) -> None:
        """Go somewhere by its address."""
        await self.page.goto(f"{self.url}{path}")

    async def settings(self, page: str) -> Page:
        """Go to a page of the settings; the tab, once it shows what is theirs."""
        await self.open(f"/settings/{page}")
        await expect(self.page.locator(".settings-section").first).to_be_visible()
        return self.page

    async def thread(self) -> str:
        """The id of the open thread, once there is one."""
        await self.page.wait_for_url(re.compile(r"/c/[0-9a-f-]{36}"))
        return self.page.url.split("/c/")[1].split("/")[0].split("?")[0]

    async def stored(self) -> list[dict[str, Any]]:
        """The open thread's messages, as the database has them."""
        return await self.page.evaluate(
            """async (thread) =>
            (await (await fetch(`/api/threads/${thread}/messages`)).json()).messages""",
            await self.thread(),
        )

    async def threads(self) -> list[dict[str, Any]]:
        """The person's threads, as the HTTP API lists them."""
        return await self.page.evaluate(
            "async () => (await (await fetch('/api/threads?limit=50')).json()).threads"
        )

    def titles(self, page: Page | None = None) -> Any:
        """The titles in the list."""
        return (page or self.page).locator(".row-title")


async def ask_model(user: BrowserUser, text: str, model: str) -> None:
    """Ask a model that the menu need not have, as a program would; the open tab shows the answer.

    Args:
        user: Who asks: in the open thread, or in a new one.
        text: The question.
        model: The model's id.
    """
    page = user.page
    if "/c/" not in page.url:
        await page.evaluate(
            """async () => {
                const made = await fetch("/api/threads", { method: "POST", body: "{}",
                    headers: { "Content-Type": "application/json" } });
                window.made = (await made.json()).id;
            }"""
        )
        await user.open(f"/c/{await page.evaluate('window.made')}")
        await expect(composer(page)).to_be_visible()
    before = await page.locator("[data-role=assistant]").count()
    await page.evaluate(
        """([id, text, model]) => {
            const said = { id: crypto.randomUUID(), role: "user", parts: [{ type: "text", text }] };
            void fetch("/api/chat", { method: "POST",
                headers: { "Content-Type": "application/json" },
                body: JSON.stringify({ id, messages: [said], model }) });
        }""",
        [await user.thread(), text, model],
    )
    await expect(page.locator("[data-role=assistant]")).to_have_count(before + 1)


async def pick_model(page: Page, model: str) -> None:
    """Choose a model by its id."""
    await page.get_by_role("combobox", name="Model").click()
    await page.locator(f'[role=option][data-value="{model}"]').click()
    await expect(page.get_by_role("option")).to_have_count(0)


def composer(page: Page) -> Any:
    """The field for the next message."""
    return page.get_by_test_id("composer")


def answers(page: Page) -> Any:
    """The assistant's texts."""
    return page.locator("[data-role=assistant] .ct-text")


async def until_text(page: Page, least: int = 1, nth: int = -1) -> str:
    """Wait until an answer shows at least so many characters; what it shows then."""
    await page.wait_for_function(
        """([least, nth]) => {
            const all = [...document.querySelectorAll("[data-role=assistant] .ct-text")];
            const one = all.at(nth);
            return one && one.innerText.trim().length >= least;
        }""",
        arg=[least, nth],
        timeout=TIMEOUT_MS,
    )
    return await answers(page).nth(nth).inner_text()


async def until_done(page: Page) -> None:
    """Wait until there is an answer, and none is being made, nor still drawn.

    A new chat has its address before its messages.
    """
    await expect(page.locator("[data-role=assistant]")).not_to_have_count(0)
    await expect(page.get_by_test_id("stop")).to_have_count(0, timeout=TIMEOUT_MS * 2)
    drawing = page.locator("[data-role=assistant] .ct-text[data-state=live]")
    await expect(drawing).to_have_count(0)
