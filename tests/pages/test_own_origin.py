"""A page that the server does not answer says what to open, where no gateway sends the pages."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from chat_app.gateway.paths import PUBLIC_PAGES
from chat_app.pages import add_pages
from chat_app.reflex_ext import build
from chat_app.settings import read_settings
from testing.script_page import HOST

URL = "http://localhost:3000"


@pytest.mark.asyncio(loop_scope="session")
async def test_a_page_of_another_origin_says_what_to_open(page: Page) -> None:
    await page.evaluate("(url) => lab.showOwnOrigin([url])", URL)
    link = page.get_by_role("link", name=f"Open {URL}")
    await expect(link).to_have_attribute("href", f"{URL}/signin")
    await expect(page.get_by_text("my page")).to_have_count(0)
    await page.evaluate("(origins) => lab.showOwnOrigin(origins)", [URL, HOST])
    await expect(page.get_by_text("my page")).to_be_visible()


@pytest.mark.parametrize(
    ("given", "is_checked"),
    [
        ({"reflex_env_mode": "dev"}, True),
        ({"reflex_env_mode": "prod"}, False),
        (
            {
                "app_url": "https://chat.example.com",
                "reflex_api_url": "https://api.example.com",
            },
            True,
        ),
    ],
)
def test_every_page_looks_at_its_origin_where_no_gateway_sends_it(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], is_checked: bool
) -> None:
    monkeypatch.setattr(build, "settings", lambda: read_settings(**given))
    made: dict[str, str] = {}

    class App:
        stylesheets: list[str] = []
        head_components: list[Any] = []

        def add_page(self, page: Any, *, route: str, **_: Any) -> None:
            made[route] = str(page().render())

    add_pages(App())  # pyright: ignore[reportArgumentType]
    assert {"OwnOrigin" in shown for shown in made.values()} == {is_checked}
    asking = {route for route, shown in made.items() if "AnonymousOnly" in shown}
    assert asking == (PUBLIC_PAGES if is_checked else set())
