"""Pages without Reflex that hold the components' scripts alone."""

from pathlib import Path

from playwright.async_api import BrowserContext, Page
from reflex_base.constants.installer import PackageJson

from chat_app.components import LIBRARIES
from testing import bun

ASSETS = Path(__file__).parents[1] / "assets"
HOST = "http://lab.test"


def libraries() -> Path:
    """A folder with what the scripts import, in the versions that the page is built with."""
    ours = ("react", "react-dom", "react-router")
    return bun.packages(*LIBRARIES, *(f"{name}@{PackageJson.DEPENDENCIES[name]}" for name in ours))


async def opened_at(context: BrowserContext, path: str) -> Page:
    """A further tab of the same browser."""
    page = await context.new_page()
    await page.goto(f"{HOST}{path}")
    await page.wait_for_function("() => window.lab")
    return page


async def dress(page: Page, *sheets: str) -> None:
    """Give the page the app's own look.

    Args:
        page: The tab.
        sheets: Names of style sheets, besides the one of every page.
    """
    for path in (ASSETS / "style.css", *(ASSETS / "styles" / f"{name}.css" for name in sheets)):
        await page.add_style_tag(path=path)
