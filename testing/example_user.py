"""A user at the page of `examples/assistant-ui`, and what they find there."""

from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

from testing.browser_user import PASSWORD, TIMEOUT_MS, BrowserUser

PROJECT = Path(__file__).parents[1] / "examples" / "assistant-ui"
HOME = f"/examples/{PROJECT.name}/"


class ExampleUser(BrowserUser):
    """Someone who uses that page; it may also be served at another origin.

    Attributes:
        home: The page's address.
    """

    def __init__(self, *given: Any, home: str = "") -> None:
        super().__init__(*given)
        self.home = home or f"{self.url}{HOME}"

    async def create_account(self) -> None:
        """Create an account, with no page open yet."""
        await self._enter("/api/auth/signup")

    async def sign_up(self) -> None:
        """Create an account, and open the page."""
        await self.create_account()
        await self.page.goto(self.home)
        await self.is_in()

    async def sign_in(self) -> None:
        """Sign in with the form that the page shows."""
        await self.page.fill("[name=email]", self.email)
        await self.page.fill("[name=password]", PASSWORD)
        await self.page.get_by_role("button", name="Sign in").click()
        await self.is_in()

    async def sign_out(self) -> None:
        """Sign out with the button."""
        await self.page.get_by_role("button", name="Sign out").click()
        await is_out(self.page)

    async def is_in(self) -> None:
        """Wait until the page is theirs."""
        await expect(self.page.locator("footer")).to_contain_text(self.email)

    async def ask(self, text: str) -> None:
        """Type a question and press Enter."""
        await self.page.get_by_role("textbox", name="Message").fill(text)
        await self.page.get_by_role("textbox", name="Message").press("Enter")

    async def new_chat(self) -> None:
        """Begin another chat."""
        await self.page.get_by_role("button", name="New chat", exact=True).first.click()
        await expect(self.page.get_by_role("heading", name="What can I help with?")).to_be_visible()

    def titles(self, page: Page | None = None) -> Any:
        """The titles in the list."""
        return (page or self.page).locator(".thread .title")

    def answers(self, page: Page | None = None) -> Any:
        """The assistant's texts."""
        return (page or self.page).locator("[data-role=assistant] > p")

    async def until_text(self, least: int) -> str:
        """Wait until the last answer has so many characters; what it says then."""
        await self.page.wait_for_function(
            """(least) => {
                const last = [...document.querySelectorAll("[data-role=assistant] > p")].at(-1);
                return last && last.textContent.length >= least;
            }""",
            arg=least,
            timeout=TIMEOUT_MS,
        )
        return await self.answers().last.text_content() or ""

    async def until_done(self) -> str:
        """Wait until no answer is written; the last one."""
        await expect(self.page.get_by_role("button", name="Send")).to_be_visible()
        return await self.until_text(1)

    async def do(self, title: str, action: str) -> None:
        """Press a button of a row in the list."""
        await self.page.get_by_role("button", name=f"{action} {title}", exact=True).click()


async def is_out(page: Page) -> None:
    """Wait until the page shows the sign-in form, and nothing else."""
    await expect(page.locator("form.sign-in")).to_be_visible()
    await expect(page.locator(".thread, .message, footer")).to_have_count(0)
