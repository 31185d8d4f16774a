"""The pages on one host and the server on another, both as `reflex deploy` uploads them."""

import io
import json
import platform
import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import FilePayload, expect

from testing.asgi_server import serve
from testing.browser_mfa import add_passkey, add_virtual_device, sign_in_with_passkey
from testing.browser_user import Meet, answers, composer, until_done, until_text
from testing.hosting_service import API_URL, PAGES_URL, HostingService
from testing.pictures import png
from testing.program import free_port, running
from testing.split_host import PRIVATE, SplitHost, copy_project, deploy, deployed

GIVEN = {
    "FAKE_MODELS": "true",
    "EMBEDDED_MODEL": "false",
    "CHAT_MODEL": "fake:300x20",
    "LIMIT_SIGN_UP_ADDRESS": "1000/hour",
}
LOST = re.compile(r"/signin/?\?callbackUrl=%2Fc%2F")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def split(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SplitHost]:
    async with deployed(tmp_path_factory.mktemp("split"), GIVEN) as one:
        yield one


async def test_what_is_uploaded_is_the_program_and_nothing_else(split: SplitHost) -> None:
    service = split.deployment.service
    backend, frontend = (
        zipfile.ZipFile(io.BytesIO(service.archives[name])).namelist()
        for name in ("backend", "frontend")
    )
    tops = {name.split("/")[0] for name in backend}
    needed = {"chat_app", "alembic", "alembic.ini", "assets", "rxconfig.py", "requirements.txt"}
    assert needed <= tops
    unneeded = {"tests", "testing", "benchmarks", "resilience", "docs", "node_modules", "data"}
    assert not tops & unneeded
    assert not {*backend, *frontend} & set(PRIVATE)
    assert not [name for name in (*backend, *frontend) if "__pycache__" in name or ".env" in name]
    assert {"index.html", "404.html", "signin/index.html"} <= set(frontend)
    assert service.submitted["python_version"] == platform.python_version()
    assert json.loads(service.submitted["secrets"])["APP_URL"] == split.pages_url


async def test_pages_and_server_on_two_sites_are_refused_before_the_upload(
    tmp_path: Path,
) -> None:
    copy_project(tmp_path)
    service = HostingService(free_port())
    async with serve(service.app(), service.port):
        deployment = await deploy(tmp_path, service, {}, {})
    said = " ".join(deployment.output.split())
    assert deployment.code == 1
    assert f"REFLEX_API_URL ({API_URL}) is on another site than APP_URL ({PAGES_URL})" in said
    assert "such as https://chat.example.com and https://api.example.com" in said
    assert service.archives == {}
    assert service.submitted == {}


async def test_a_person_signs_up_asks_and_signs_out_in_another_tab(
    split: SplitHost, meet: Meet, tmp_path: Path
) -> None:
    ada = await meet("Ada", split.pages_url)
    await ada.sign_up_on_page()
    [cookie] = [one for one in await ada.context.cookies() if one.get("name") == "chat_session"]
    assert (cookie.get("domain"), cookie.get("sameSite")) == ("api.chat.localhost", "Lax")
    assert cookie.get("httpOnly")

    await ada.ask("echo: rain on the glass")
    thread = await ada.thread()
    await until_text(ada.page)
    await until_done(ada.page)
    shown = await answers(ada.page).all_inner_texts()
    await ada.page.reload()  # a static host has no such file, and gives its 404.html
    await expect(answers(ada.page)).to_have_text(shown)

    page = await ada.settings("account")
    picture = FilePayload(name="me.png", mimeType="image/png", buffer=png(64))
    await page.locator("input[type=file]").set_input_files(picture)
    avatar = page.locator(".avatar img").first
    await expect(avatar).to_be_attached()
    await expect(avatar).to_have_js_property("naturalWidth", 64)
    await ada.settings("data")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download ZIP").click()
    saved = tmp_path / "export.zip"
    await (await download.value).save_as(saved)
    assert b"rain on the glass" in b"".join(_contents(saved))

    other = await ada.tab()
    await other.goto(f"{split.pages_url}/c/{thread}")
    await expect(composer(other)).to_be_visible()
    await ada.open("/signin")  # with a session the sign-in page leads on
    await expect(composer(ada.page)).to_be_visible()
    await ada.sign_out()
    await other.wait_for_url(LOST)
    await expect(other.get_by_text("rain on the glass")).to_have_count(0)

    # Whoever signs in there comes back to where they were.
    ada.page = other
    await other.fill("[name=email]", ada.email)
    await ada._submit()
    await other.wait_for_url(re.compile(f"/c/{thread}"))
    await until_text(other)
    assert ada.errors == []


async def test_a_passkey_is_of_the_host_of_the_pages(split: SplitHost, meet: Meet) -> None:
    ada = await meet("Ada", split.pages_url)
    await add_virtual_device(ada)
    await ada.sign_up_on_page()
    await add_passkey(ada, "Laptop")
    await ada.open("/")
    await ada.sign_out()
    await sign_in_with_passkey(ada)
    assert ada.errors == []


async def test_a_link_by_email_opens_the_pages(split: SplitHost, meet: Meet) -> None:
    ada = await meet("Ada", split.pages_url)
    await ada.sign_up_on_page()
    await ada.sign_out()
    await ada.open("/signin/link")
    await ada.page.fill("[name=email]", ada.email)
    await ada.page.locator("form button[type=submit]").last.click()
    await expect(ada.page.get_by_role("heading", name="Open the link")).to_be_visible()
    link = await split.link_in_log()
    assert link.startswith(f"{split.pages_url}/confirm#")
    await ada.page.goto(link)
    await ada.page.get_by_role("button", name="Sign in").click()
    await expect(composer(ada.page)).to_be_visible()
    assert ada.errors == []


async def test_other_urls_say_or_lead_to_the_one_to_open(split: SplitHost, meet: Meet) -> None:
    ada = await meet("Ada", split.pages_url)
    port = split.pages_url.rsplit(":", 1)[1]
    await ada.page.goto(f"http://localhost:{port}/signin")
    link = ada.page.get_by_role("link", name=f"Open {split.pages_url}")
    await expect(link).to_be_visible()
    await ada.page.goto(f"{split.api_url}/signup")
    await expect(ada.page).to_have_url(re.compile(re.escape(split.pages_url) + "/signup/?"))
    # Neither a further script of the page nor another host is allowed by the policy in the page.
    await ada.page.evaluate(
        """() => document.head.append(Object.assign(document.createElement("script"),
            { textContent: "window.ran = true" }))"""
    )
    assert await ada.page.evaluate("window.ran") is None
    refused = "async (url) => { try { await fetch(url); return false } catch { return true } }"
    assert await ada.page.evaluate(refused, f"http://localhost:{port}/index.html")


async def test_the_server_alone_builds_no_pages_and_says_where_they_are(tmp_path: Path) -> None:
    hosts = {
        "APP_URL": "http://app.chat.localhost:1",
        "REFLEX_API_URL": "http://api.chat.localhost:2",
    }
    with running(tmp_path, given={**GIVEN, **hosts}) as program:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{program.port}", timeout=30
        ) as client:
            moved = await client.get("/c/1", headers={"Host": "api.chat.localhost:2"})
        assert moved.headers["location"] == "http://app.chat.localhost:1/c/1"
        program.stop()  # it answers a moment before it says where it is
        said = program.log.read_text()
    assert "Building" not in said
    assert (
        "The server is at http://api.chat.localhost:2; its pages are expected at "
        "http://app.chat.localhost:1\n"
    ) in said


def _contents(archive: Path) -> list[bytes]:
    with zipfile.ZipFile(archive) as opened:
        return [opened.read(name) for name in opened.namelist()]
