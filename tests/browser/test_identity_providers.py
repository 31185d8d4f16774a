"""A user's day with accounts elsewhere: in with one, another connected, the first taken away."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import expect

from testing.asgi_server import serve
from testing.browser import close
from testing.browser_oidc import acme_settings, run_acme, sign_in_at_acme
from testing.browser_user import Meet, composer
from testing.fake_github import FakeGitHub
from testing.oidc_app import CLIENT, SECRET
from testing.program import Program, free_port


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path) -> AsyncIterator[Program]:
    """A program with an OpenID provider and a fake GitHub."""
    there, github = free_port(), free_port()
    given = {
        "FAKE_MODELS": "true",
        "EMBEDDED_MODEL": "false",
        **acme_settings(there),
        "AUTH_GITHUB_ID": CLIENT,
        "AUTH_GITHUB_SECRET": SECRET,
        "AUTH_GITHUB_URL": f"http://127.0.0.1:{github}",
        "AUTH_GITHUB_API_URL": f"http://127.0.0.1:{github}",
    }
    one = Program(tmp_path, given=given)
    with run_acme(there, one):
        async with serve(FakeGitHub(CLIENT, SECRET).app, github):
            try:
                one.start()
                yield one
            finally:
                one.end()


async def test_in_with_one_account_and_later_with_another(served: Program, meet: Meet) -> None:
    ada = await meet("Ada", served.url)
    page = ada.page
    await page.goto(f"{served.url}/signin?callbackUrl=%2Fsettings%2Fconnections")
    names = page.locator(".provider")
    await expect(names).to_have_text(["Continue with GitHub", "Continue with Acme"])
    waiting = await ada.tab()
    await waiting.goto(f"{served.url}/signin")
    await expect(waiting.locator(".provider")).to_have_count(2)
    await names.nth(1).click()
    await sign_in_at_acme(page)
    await page.wait_for_url(re.compile(r"/settings/security/?(#.*)?$"))
    rows = page.locator("#connections .entries > li")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("Acme")
    await expect(rows).to_contain_text("ada@example.org")
    await expect(composer(waiting)).to_be_visible()
    await close(waiting)

    disconnect = page.get_by_role("button", name=re.compile("Disconnect Acme"))
    await disconnect.click()
    await expect(rows.get_by_role("alert")).to_have_text(re.compile("only way to sign in"))

    await page.get_by_role("button", name="Connect GitHub").click()
    await expect(rows).to_have_count(2)
    await expect(rows.nth(1)).to_contain_text("octocat@example.org")
    await disconnect.click()
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("GitHub")

    await page.goto(served.url)
    await ada.sign_out()
    await page.get_by_role("button", name="Continue with GitHub").click()
    await expect(composer(page)).to_be_visible()

    # The other one signs this user in no more, and its email belongs to an account.
    other = await meet("Eve", served.url)
    await other.page.goto(f"{served.url}/signin")
    await other.page.get_by_role("button", name="Continue with Acme").click()
    await sign_in_at_acme(other.page)
    await other.page.wait_for_url(re.compile(r"/signin/?\?error=OAuthAccountNotLinked"))
    await expect(other.page.locator("#problem")).to_contain_text("account with this email")
    assert ada.errors == other.errors == []
