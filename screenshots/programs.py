"""Running programs and browser users for the pictures."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, Page, expect

from testing.browser import chromium
from testing.browser_user import BrowserUser, composer
from testing.program import Program, running

_GIVEN = {
    "FAKE_MODELS": "true",
    "EMBEDDED_MODEL": "false",
    "LIMIT_SIGN_UP_ADDRESS": "1000/hour",
    "CHAT_IDLE_SECONDS": "1",
}


@dataclass
class Programs:
    """Starts a program for each set of settings, once."""

    browser: Browser
    closing: AsyncExitStack
    folder: Path
    _programs: dict[str, Program] = field(default_factory=dict)

    def program(self, **settings: str) -> Program:
        """The running program with these settings, in the environment's words."""
        name = "-".join(f"{key}={value}" for key, value in settings.items()) or "plain"
        if name not in self._programs:
            folder = self.folder / str(len(self._programs))
            folder.mkdir()
            given = _GIVEN | settings
            self._programs[name] = self.closing.enter_context(running(folder, given=given))
        return self._programs[name]

    async def anonymous_user(self, program: Program) -> BrowserUser:
        """A browser user who is not signed in."""
        context = await self.browser.new_context(
            viewport={"width": 1440, "height": 900}, timezone_id="UTC"
        )
        self.closing.push_async_callback(context.close)
        return BrowserUser(program.url, context, await context.new_page(), "Ada")

    async def person(self, program: Program) -> BrowserUser:
        """A browser user with a new account, signed in."""
        ada = await self.anonymous_user(program)
        await ada.sign_up()
        return ada


@asynccontextmanager
async def open_programs() -> AsyncIterator[Programs]:
    """A browser and an empty folder; everything is gone afterwards."""
    async with AsyncExitStack() as closing:
        folder = closing.enter_context(tempfile.TemporaryDirectory())
        browser = await closing.enter_async_context(chromium())
        yield Programs(browser, closing, Path(folder))


def data_of(program: Program) -> Path:
    """Where a program keeps its data."""
    return program.log.parent / "data"


async def ended(page: Page, status: str) -> None:
    """Wait until the last answer has ended so."""
    last = page.locator("[data-role=assistant]").last
    await expect(last).to_have_attribute("data-status", status)


__all__ = [
    "BrowserUser",
    "Programs",
    "composer",
    "data_of",
    "ended",
    "expect",
    "open_programs",
]
