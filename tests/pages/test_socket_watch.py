"""What a page says while its socket does not connect."""

from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _asked(page: Page, milliseconds: int) -> None:
    """Let time pass until the server is asked."""
    async with page.expect_event("requestfinished"):
        await page.clock.run_for(milliseconds)


async def test_a_proxy_that_drops_the_socket_is_named_within_ten_seconds(page: Page) -> None:
    urls: list[str] = []

    async def answer(route: Route) -> None:
        urls.append(route.request.url.partition("/api/")[2])
        await route.fulfill(json={"socket": "missing"})

    await page.route("**/api/socket*", answer)
    await page.clock.install()
    await page.evaluate("lab.showSocket(false)")
    alert = page.get_by_role("alert")
    await _asked(page, 3_000)
    await expect(alert).to_be_empty()  # the socket may be on its way
    await _asked(page, 3_000)
    await expect(alert).to_contain_text("a proxy between this browser and the server")
    assert urls == ["socket", "socket?again"]
    await page.evaluate("lab.showSocket(true)")
    await expect(alert).to_be_empty()
    await page.clock.run_for(30_000)
    assert len(urls) == 2


async def test_a_blocked_page_asks_once_a_minute_while_it_is_seen(page: Page) -> None:
    urls: list[str] = []

    async def answer(route: Route) -> None:
        urls.append(route.request.url)
        await route.fulfill(json={"socket": "missing"})

    async def hide(is_hidden: bool) -> None:
        script = "value => Object.defineProperty(document, 'hidden', {value, configurable: true})"
        await page.evaluate(script, is_hidden)

    await page.route("**/api/socket*", answer)
    await page.clock.install()
    await page.evaluate("lab.showSocket(false)")
    await _asked(page, 3_000)
    await _asked(page, 3_000)
    await expect(page.get_by_role("alert")).to_contain_text("a proxy between")
    await page.clock.run_for(55_000)
    assert len(urls) == 2
    await _asked(page, 6_000)
    assert len(urls) == 3
    await hide(True)
    await page.clock.run_for(300_000)
    assert len(urls) == 3
    await hide(False)
    await _asked(page, 3_000)
    assert len(urls) == 4


@pytest.mark.parametrize("answer", [{"json": {"socket": "arrived"}}, {"status": 401, "json": {}}])
async def test_no_proxy_is_named_for_a_server_that_is_slow_or_refuses(
    page: Page, answer: dict[str, Any]
) -> None:
    await page.route("**/api/socket*", lambda route: route.fulfill(**answer))
    await page.clock.install()
    await page.evaluate("lab.showSocket(false)")
    for _ in range(3):
        await _asked(page, 3_000)
    await expect(page.get_by_role("alert")).to_be_empty()


async def test_no_proxy_is_named_while_the_server_is_unreachable(page: Page) -> None:
    await page.route("**/api/socket*", lambda route: route.abort())
    await page.clock.install()
    await page.evaluate("lab.showSocket(false)")
    for _ in range(3):
        async with page.expect_event("requestfailed"):
            await page.clock.run_for(3_000)
    await expect(page.get_by_role("alert")).to_be_empty()
